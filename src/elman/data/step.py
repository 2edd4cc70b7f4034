"""One step of a preparation, whatever it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from elman.ragged import Ragged
from elman.ragged_file import RaggedFile

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Step:
    """One step of a preparation. Its fields are plain data; `check` says whether they make sense.

    A subclass has a word `kind`, under which it is listed in `STEPS`.
    """

    kind: ClassVar[str]

    def check(self) -> None:
        """Raise DataError unless the fields can be used."""

    def apply(self, values: list[Any]) -> list[Any]:
        """The values of each sequence, taken one step further."""
        raise NotImplementedError

    def made(self, values: Any) -> Any:
        """The same of whatever holds them: what lies in a file is taken further when it is read.

        Args:
            values: a list, a `Ragged`, or `CutTexts`.
        """
        if isinstance(values, RaggedFile):
            return values.then(self)
        return self.over(values) if isinstance(values, Ragged) else self.apply(list(values))

    def over(self, values: Ragged) -> Ragged:
        """The same for sequences that lie one after the other."""
        found = self.apply([values[row] for row in range(len(values))])
        return values.with_values(np.concatenate(found)) if found else values

    def aim(self, targets: Array, raw: list[Any]) -> Array:
        """What a model is to say in place of these targets.

        Args:
            targets: in their own unit.
            raw: what the values of each sequence were made of.
        """
        return targets

    def restore(self, outputs: Array, raw: list[Any]) -> Array:
        """What a model says, in the unit of the targets: the inverse of `aim`."""
        return outputs
