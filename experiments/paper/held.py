"""What of an experiment is on record: its pieces that are done, and stale ones.

A piece is a seed of an arm in a form of a world, or what one seed is trained for as
rows do not hold it: a map, losses of what scores put first. It is done if it came by
the plan's settings and is what was recorded; else it is stale, and run again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from experiments.beyond import likelihood
from experiments.paper import looks
from experiments.paper.experiment import SEEDS, Experiment
from experiments.paper.plan import Task, of_forms, seen
from experiments.paper.store import Body, Store, piece_name
from experiments.paper.worlds import Form


class Piece(NamedTuple):
    """One of an experiment's.

    Attributes:
      task: whose it is.
      there: something lies on record of it.
      came_by: what it came by; empty unless it is done.
    """

    task: Task
    there: bool
    came_by: Body


class Held(NamedTuple):
    """An experiment in some forms of its worlds.

    Attributes:
      pieces: all that are wanted at most.
    """

    pieces: list[Piece]

    @property
    def done(self) -> list[Piece]:
        """Pieces that are done."""
        return [piece for piece in self.pieces if piece.came_by]

    @property
    def stale(self) -> int:
        """How many pieces are stale."""
        return sum(piece.there and not piece.came_by for piece in self.pieces)

    @property
    def seeds(self) -> int:
        """The largest number of seeds that an arm has in a form, done or stale."""
        return _seeds(piece.task for piece in self.pieces if piece.there)

    @property
    def seeds_done(self) -> int:
        """The largest number of seeds that are done of an arm in a form."""
        return _seeds(piece.task for piece in self.done)

    def wanted(self, seeds: int) -> int:
        """How many pieces are wanted for so many seeds of each arm in each form."""
        return sum(piece.task.seed < seeds for piece in self.pieces)


def of(experiment: Experiment, forms: Sequence[Form], store: Store) -> Held:
    """What is on record of an experiment, of five seeds.

    Args:
      experiment: whose pieces are wanted.
      forms: of its worlds.
      store: of the results.

    Raises:
      UserError: a file of results is damaged.
    """
    found = [*_looks(experiment, forms, store)]
    if experiment.runs:
        found += _rows(of_forms(experiment, forms, SEEDS), store)
    if "likelihood" in experiment.shown:
        found += _likelihoods(of_forms(experiment, forms, SEEDS), store)
    return Held(found)


def _seeds(tasks: Iterable[Task]) -> int:
    arms = Counter((world, arm) for world, arm, _ in {task.key for task in tasks})
    return max(arms.values(), default=0)


def _rows(tasks: Sequence[Task], store: Store) -> Iterator[Piece]:
    done, stale = store.done(tasks), store.stale(tasks)
    about = {task.form.key: store.about(task.form.key)["pieces"] for task in tasks}
    for task in tasks:
        named = about[task.form.key].get(piece_name(task.arm, task.seed), {})
        yield Piece(task, task.key in done | stale, named if task.key in done else {})


def _looks(
    experiment: Experiment, forms: Sequence[Form], store: Store
) -> Iterator[Piece]:
    look = looks.of(experiment)
    for task in seen(experiment, forms):
        there = bool(look.about(task, store))
        yield Piece(task, there, look.current(task, store))


def _likelihoods(tasks: Sequence[Task], store: Store) -> Iterator[Piece]:
    for task in tasks:
        there = bool(likelihood.about(task, store) or likelihood.rows(task, store))
        yield Piece(task, there, likelihood.current(task, store))
