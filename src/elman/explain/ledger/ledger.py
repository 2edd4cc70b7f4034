"""The ledger: every parameter of a model accounted for."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from elman.errors import OptionError, ShapeError, unknown_name
from elman.explain.ledger import budget as budgets
from elman.explain.ledger import comparisons, costs
from elman.explain.ledger.comparisons import Flattened, OneHot
from elman.explain.ledger.costs import Cost
from elman.explain.ledger.counting import Account, LayerAccount, Row
from elman.explain.ledger.elsewhere import Elsewhere, elsewhere
from elman.explain.ledger.sources import Source, source
from elman.layers.layer import Shape, whole

if TYPE_CHECKING:
    from elman.explain.ledger.sections import Section

#: Steps of sequences whose length nobody said.
STEPS = 100


def ledger(
    thing: Any = None,
    *,
    steps: int | None = None,
    batch_size: int = 32,
    sentences: int = 100,
    budget: int | None = None,
    like: str | None = None,
) -> Ledger:
    """Account for every parameter of a model; or find the largest model within a budget.

    Args:
        thing: a model, a line such as "60x1 > gru(16) > dense(1)", the path of a .keras file, a
            Keras model or a PyTorch module.
        steps: length of the sequences, for costs and comparisons; the input's where None, or 100.
        batch_size: rows of a batch, for the memory of training.
        sentences: how many sequences a one-hot input is compared for.
        budget: how many parameters there may be; with `like` in place of `thing`.
        like: a line with `?` in place of one number, which may occur several times.

    Returns:
        the ledger: `print` it, show it in a notebook, or ask it: `ledger["lstm/forget_gate"]`.

    Raises:
        SpecError: a line that cannot be read.
        NotReadyError: the number of input features is not known.
        OptionError: nothing that could be counted, or no `?` fits into the budget.

    Example:
        >>> found = ledger("100x32 > lstm(16)")
        >>> found.total, found["lstm/forget_gate"].numbers
        (3136, '(32 + 16) * 16 + 16')
        >>> ledger(budget=10_000, like="60x1 > gru(?) > dense(1)").answer
        56
    """
    options: Any = {"steps": steps, "batch_size": batch_size, "sentences": sentences}
    if (budget is None) != (like is None) or (thing is None) == (like is None):
        raise OptionError(
            "ledger expected a model, or budget and like together, got "
            f"{thing!r}, budget={budget!r}, like={like!r}. Write ledger(model), or "
            "ledger(budget=10_000, like='60x1 > gru(?) > dense(1)')."
        )
    if like is None:
        return Ledger(source(thing), **options)
    model, answer = budgets.largest(like, whole("ledger", "budget", budget))
    return Ledger(source(model), **options, answer=answer, budget=budget)


class Ledger:
    """Every parameter of a model: where it is, by which formula, and what it costs.

    `print` shows it within 80 columns, a notebook as a page. `ledger["lstm"]`,
    `ledger["lstm/forget_gate"]`, `ledger["lstm/kernel"]` and `ledger["lstm/kernel/forget_gate"]`
    are its parts.

    Attributes:
        title: the model in one line.
        layers: an account per layer.
        steps: length of the sequences that costs and comparisons are for.
        batch_size: rows of a batch.
        answer: what `?` is, where a budget was given.
        uncounted: parts that elman has no layer for, with their numbers of parameters.
    """

    def __init__(
        self,
        of: Source,
        *,
        steps: int | None = None,
        batch_size: int = 32,
        sentences: int = 100,
        answer: int | None = None,
        budget: int | None = None,
    ) -> None:
        self.title = of.title
        self.layers = [LayerAccount(layer, entering) for layer, entering in of.layers]
        self.uncounted = of.uncounted
        self.notes = of.notes
        known = next((a.input_shape[1] for a in self.layers if a.timed), None)
        self.steps_assumed = steps is None and known is None
        self.steps = whole(
            "ledger", "steps", next(n for n in (steps, known, STEPS) if n is not None)
        )
        self.batch_size = whole("ledger", "batch_size", batch_size)
        self.sentences = whole("ledger", "sentences", sentences)
        self.answer, self.budget = answer, budget
        self._model = of.model

    # -- sums -------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[Row]:
        """A row per tensor and gate."""
        return [row for account in self.layers for row in account.rows]

    @property
    def total(self) -> int:
        """How many parameters."""
        return sum(account.total for account in self.layers)

    @property
    def trainable(self) -> int:
        """How many of them training changes."""
        return sum(account.trainable for account in self.layers)

    def __getitem__(self, path: str) -> Account:
        layer, *parts = str(path).split("/")
        account: Account | None = next((a for a in self.layers if a.name == layer), None)
        if account is None:
            raise unknown_name("ledger", "layer", path, [a.name for a in self.layers])
        return account if not parts else self._part(account, "/".join(parts), path)

    def _part(self, account: Account, inner: str, path: str) -> Account:
        assert isinstance(account, LayerAccount)
        single = {
            f"{account.name}/{row.tensor}/{row.gate}": [row] for row in account.rows if row.gate
        }
        known = {part.name: part for part in [*account.tensors, *account.gates]}
        known |= {name: Account(name, rows) for name, rows in single.items()}
        if path not in known:
            raise unknown_name("ledger", "part", path, known)
        return known[path]

    # -- what it is beside ------------------------------------------------------------------------

    @property
    def elsewhere(self) -> list[Elsewhere]:
        """How textbooks and PyTorch count each layer that has parameters."""
        return [elsewhere(account) for account in self.layers if account.rows]

    @property
    def lengths(self) -> dict[int, int]:
        """The total, counted anew for two lengths of the sequences; one where no other fits."""
        found = {}
        for steps in (self.steps, 2 * self.steps):
            with suppress(ShapeError):
                found[steps] = self._total_for(steps, 1)
        return found

    @property
    def any_length(self) -> bool:
        """Whether the total is the same for sequences of any length."""
        return len(self.lengths) == 2 and len(set(self.lengths.values())) == 1

    @property
    def batches(self) -> dict[int, int]:
        """The total, counted anew for two sizes of the batch."""
        rows = self.batch_size
        return {n: self._total_for(self.steps, n) for n in (rows, 2 * rows)}

    def _total_for(self, steps: int, rows: int) -> int:
        return sum(
            p.size
            for account, (entering, _) in zip(self.layers, self._shapes(steps, rows), strict=True)
            for p in account.layer.params(entering)
        )

    def _shapes(self, steps: int, rows: int) -> list[tuple[Shape, Shape]]:
        """What enters and leaves each layer, where what enters the first has so many steps."""
        found: list[tuple[Shape, Shape]] = []
        before: LayerAccount | None = None
        for account in self.layers:
            if before is not None and account.input_shape == before.output_shape:
                entering = found[-1][1]
            else:
                rest = account.input_shape[1:]
                entering = (rows, *((steps, *rest[1:]) if account.timed else rest))
            found.append((entering, account.layer.output_shape(entering)))
            before = account
        return found

    @property
    def costs(self) -> list[Cost]:
        """Multiply-adds of each layer that has parameters."""
        shapes = self._shapes(self.steps, 1)
        return [
            costs.cost(account, *pair)
            for account, pair in zip(self.layers, shapes, strict=True)
            if account.rows
        ]

    @property
    def weight_bytes(self) -> int:
        """Bytes of the parameters."""
        return costs.BYTES * self.total

    @cached_property
    def training_bytes(self) -> int | None:
        """Bytes of a training plan for one batch; None without a model, or where it is too much."""
        if self._model is None:
            return None
        return costs.training_bytes(self._model, self.steps, self.batch_size)

    @property
    def flattened(self) -> Flattened | None:
        """A dense layer on the flattened input instead of the first recurrent layer."""
        return comparisons.flattened(self.layers, self.steps)

    @property
    def one_hot(self) -> OneHot | None:
        """The one-hot input that an embedding replaces."""
        return comparisons.one_hot(self.layers, self.steps, self.sentences)

    # -- forms ------------------------------------------------------------------------------------

    @property
    def sections(self) -> list[Section]:
        """What there is to tell, in words and numbers."""
        from elman.explain.ledger import sections

        return sections.sections(self)

    def __str__(self) -> str:
        from elman.explain.ledger import text

        return text.plain(self)

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from elman.explain.ledger import text

        return text.parts(self, options.max_width)

    def _repr_html_(self) -> str:
        from elman.explain.ledger import html

        return html.page(self)

    def to_markdown(self) -> str:
        """The ledger as Markdown."""
        from elman.explain.ledger import export

        return export.markdown(self)

    def to_csv(self) -> str:
        """The rows as comma-separated values, with a first line of names."""
        from elman.explain.ledger import export

        return export.csv(self)

    def to_json(self) -> str:
        """All numbers and formulas as JSON."""
        from elman.explain.ledger import export

        return export.json(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file.

        Args:
            path: its ending says how: .md, .csv, .json, .html or .txt.

        Raises:
            OptionError: another ending.
        """
        from elman.explain.ledger import export

        export.save(self, path)

    def __repr__(self) -> str:
        return f"<Ledger of {self.title!r}: {self.total:,} parameters>"
