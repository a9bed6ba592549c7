"""Checks that the groups of settings share."""

from gmmal_jax.errors import UserError


def require(condition: bool, option: str, value: object, remedy: str) -> None:
    """Refuse a value of an option.

    Raises:
      UserError: the condition does not hold.
    """
    if not condition:
        raise UserError(f"--{option}", value, remedy)
