"""What recipes have in common: how files were read, plain enough for a model's file to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import UnionType
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

from elman.data.trusting import refused
from elman.errors import OptionError, UnknownNameError


@dataclass(frozen=True)
class Recipe:
    """How files are read. Its fields are plain data, and none can be made that cannot be followed.

    A subclass says what it is for, for messages.
    """

    reads: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """The recipe that `to_dict` described; what else is in `given` is for others.

        Raises:
            DataError: It is not what `to_dict` writes.
        """
        hints = get_type_hints(cls)
        own = {field.name: given[field.name] for field in fields(cls) if field.name in given}
        for name, value in own.items():
            if not fits(value, hints[name]):
                raise refused(f"{str(value)[:80]!r} for `{name}` in a recipe for {cls.reads}")
        try:
            return cls(**own)
        except (TypeError, OptionError, UnknownNameError) as error:
            raise refused(f"a recipe for {cls.reads} that cannot be ({error})") from error


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type: a plain one, a tuple of one, or one of several.

    >>> fits(("I", 2), tuple[str | int, ...] | None), fits(True, int), fits(2, float)
    (True, False, True)
    """
    if isinstance(hint, UnionType):
        return any(fits(value, one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(fits(one, get_args(hint)[0]) for one in value)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)
