"""Tables as Markdown has them."""

from collections.abc import Sequence


def table(lines: Sequence[Sequence[str]]) -> str:
    """Bars between the columns and a rule below the head; numbers to the right.

    Args:
      lines: the head, then the rows; the first column names them.
    """
    rows = [f"| {' | '.join(line)} |" for line in lines]
    rule = "|---|" + "---:|" * (len(lines[0]) - 1)
    return "\n".join([rows[0], rule, *rows[1:]])
