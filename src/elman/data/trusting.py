"""What a file says is believed only after it was looked at: the checks of `Preparation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elman.errors import DataError

#: What an honest file stays below: entries of a list, characters of one of its words.
MOST, LONGEST = 10**7, 10**4


def refused(what: str) -> DataError:
    """The error for what no honest file has."""
    return DataError(
        f"Preparation expected what elman writes, got {what}. Do not use this file; ask for it "
        "again where it came from."
    )


def check_keys(given: dict[Any, Any], known: set[str], needed: set[str]) -> None:
    """Raise unless a dict has what is needed, and nothing that is not known."""
    unknown = [str(key)[:80] for key in given if key not in known]
    lacking = sorted(needed - set(given))
    if unknown or lacking:
        raise refused(f"{unknown[0]!r}" if unknown else f"nothing for {lacking[0]!r}")


def entries(given: Any, what: str) -> Sequence[Any]:
    """A list that is not too long."""
    if not isinstance(given, list | tuple) or len(given) > MOST:
        raise refused(f"{what} that are no list, or too long a one")
    return given


def word(given: Any, what: str) -> str:
    """A word that is not too long."""
    if not isinstance(given, str) or len(given) > LONGEST:
        raise refused(f"{what} that is no word")
    return given


def words(given: Any, what: str) -> tuple[str, ...]:
    """A list of words."""
    return tuple(word(one, what) for one in entries(given, what))


def check_numbers(given: Any, what: str) -> None:
    """Raise unless it is a list of finite numbers."""
    for one in entries(given, what):
        if isinstance(one, bool) or not isinstance(one, int | float) or not abs(one) < 1e300:
            raise refused(f"{what} that is no finite number")
