"""The pieces that a table of results lacks, in order, each recorded when it is done."""

from pathlib import Path

from experiments import tables
from experiments.first_cycle import pieces, work
from experiments.first_cycle.pieces import Piece
from gmmal_jax.errors import TrainingDiverged

RESULTS = Path(__file__).parent / "results.csv"


def key(row: tables.Row) -> tuple[str, ...]:
    """A row's piece, as `Piece.key`."""
    return tuple(row[name] for name in ("scale", "setting", "eval", "seed", "arm"))


def left(scale: str, rows: list[tables.Row]) -> list[Piece]:
    """Pieces without a row, in order."""
    done = {key(row) for row in rows}
    return [piece for piece in pieces.order(scale, rows) if piece.key not in done]


def missing(
    scale: str,
    data: work.Data,
    results: Path,
    say: work.Say = print,
    stop: work.Stop = lambda: False,
    most: int | None = None,
) -> None:
    """Run what has no row until nothing is left or it is told to stop.

    Args:
      scale: a key of `pieces.SCALES`.
      data: images and the folder of what is not finished.
      results: the table; each piece's row is added when it is done.
      say: takes lines of progress.
      stop: asked after every chunk and piece.
      most: stop after so many pieces; None: none left.

    Raises:
      Interrupted: stopped within a piece, which is saved.
    """
    if pieces.SCALES[scale].halved:
        data = work.halved(data)
    done = 0
    while (most is None or done < most) and not stop():
        waiting = left(scale, tables.load(results))
        if not waiting:
            say("nothing is left")
            return
        say(f"{' / '.join(waiting[0].key)} ({len(waiting)} left)")
        one(waiting[0], data, results, say, stop)
        done += 1


def one(
    piece: Piece, data: work.Data, results: Path, say: work.Say, stop: work.Stop
) -> None:
    """Run a piece and add its row.

    Training that diverges has a row without numbers, and so has what begins with it.
    A network that is not at hand (another machine, an emptied folder) is trained again
    first; its own row stays as it was, and `begins_with` tells which one it was.
    """

    def record(row: tables.Row) -> None:
        tables.save(results, [*tables.load(results), row])
        say(f"accuracy {100 * float(row['accuracy']):.2f} %, {row['seconds']} s")

    if piece.parent is not None:
        rows = {key(row): row for row in tables.load(results)}
        note = rows[piece.parent.key]["note"]
        if note:
            return record(work.without_result(piece, f"its stage 1: {note}"))
    try:
        work.run(piece, data, record, say, stop)
    except TrainingDiverged as error:
        record(work.without_result(piece, str(error).partition(";")[0]))
    except work.Lost as lost:
        assert piece.parent is not None
        say(f"{lost} is gone: trained again")
        work.run(piece.parent, data, lambda row: None, say, stop)
        work.run(piece, data, record, say, stop)
