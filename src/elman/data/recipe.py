"""What recipes have in common: how files were read, plain enough for a model's file to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

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
        names = {field.name for field in fields(cls)}
        try:
            return cls(**{name: value for name, value in given.items() if name in names})
        except (TypeError, OptionError, UnknownNameError) as error:
            raise refused(f"a recipe for {cls.reads} that cannot be ({error})") from error
