"""What a ledger tells, once, for every form that shows it; in ASCII, so that any pipe takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from elman.explain.ledger.elsewhere import WHY_TORCH, WHY_TWO
from elman.layers.layer import Shape, snake

if TYPE_CHECKING:
    from elman.explain.ledger.counting import Account, LayerAccount
    from elman.explain.ledger.ledger import Ledger


#: What the letters of formulas are.
LEGEND = {
    "F": "features that enter at each step",
    "H": "units",
    "V": "different tokens",
    "E": "numbers in a token's vector",
    "K": "steps that a kernel sees",
}


#: The columns that hold formulas, not words.
CODE = ("shape", "formula")


class Line(NamedTuple):
    """A line of a table."""

    cells: tuple[str, ...]
    level: str = "part"  # head, part or total


class Section(NamedTuple):
    """A table and what is said below it; either may be missing."""

    title: str
    header: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    #: For each column whether it holds numbers.
    right: tuple[bool, ...]


def sections(ledger: Ledger) -> list[Section]:
    """All sections of a ledger, the account first."""
    found = [_account(ledger), _elsewhere(ledger), _costs(ledger), _comparisons(ledger)]
    return [section for section in found if section.lines or section.notes]


# -- the account ----------------------------------------------------------------------------------


def _account(ledger: Ledger) -> Section:
    lines: list[Line] = []
    for account in ledger.layers:
        lines += _layer(account)
    model = " + ".join(f"{a.total:,}" for a in ledger.layers if a.rows)
    several = sum(bool(a.rows) for a in ledger.layers) > 1
    lines.append(Line(("model", "", model if several else "", f"{ledger.total:,}"), "total"))
    fixed = ledger.total - ledger.trainable
    notes = [f"{fixed:,} of them are fixed: training does not change them."] if fixed else []
    if ledger.answer is not None:
        notes.append(
            f"? = {ledger.answer:,} is the largest that fits: {ledger.total:,} of "
            f"{ledger.budget:,} parameters."
        )
    notes += [
        f"Not counted: {part.name} ({part.kind}), {part.parameters:,} parameters: elman has no "
        "such layer."
        for part in ledger.uncounted
    ]
    notes += ledger.notes
    used = [letter for letter in LEGEND if any(letter in a.values for a in ledger.layers)]
    if used:
        notes.append(f"Letters: {', '.join(f'{letter} {LEGEND[letter]}' for letter in used)}.")
    notes.append(_does_not_matter(ledger))
    title = counted(ledger.total, "parameter")
    if ledger.uncounted:
        title += f", and {sum(part.parameters for part in ledger.uncounted):,} not counted"
    return Section(title, ("", "shape", "formula", "count"), tuple(lines), tuple(notes),
                   (False, False, False, True))  # fmt: skip


def _layer(account: LayerAccount) -> list[Line]:
    flow = f"{shape(account.input_shape)} -> {shape(account.output_shape)}"
    letters = ", ".join(f"{letter}={value}" for letter, value in account.values.items())
    usual = account.name.startswith(snake(account.kind))
    name = account.name if usual else f"{account.name} ({account.kind})"
    head = Line((name, flow, letters or ("" if account.rows else "no parameters"), ""), "head")
    if not account.rows:
        return [head]
    gates = account.gates if len(account.gates) > 1 else []
    parts = [_part(part, account) for part in [*gates, *account.tensors]]
    if len(account.rows) == 1:
        return [head, *parts]
    label = "  sum, either way" if gates else "  sum"
    return [head, *parts, Line((label, "", account.formula, f"{account.total:,}"), "total")]


def _part(part: Account, within: Account) -> Line:
    extents = "" if part.shape is None else str(list(part.shape))
    name = part.name.removeprefix(f"{within.name}/")
    return Line((f"  {name}", extents, part.formula, f"{part.total:,}"))


def _does_not_matter(ledger: Ledger) -> str:
    assert len(set(ledger.batches.values())) == 1, "the number of parameters depends on the batch"
    rows = " and with ".join(f"{n:,}" for n in ledger.batches)
    timed = any(account.timed for account in ledger.layers)
    if not timed or not ledger.any_length:
        bound = " The length of the sequences matters: some layer sees all steps at once."
        return (
            f"What does not matter: the batch. Counted with {rows} rows, there are "
            f"{ledger.total:,} parameters each time.{bound if timed else ''}"
        )
    steps = " and with ".join(f"{n:,}" for n in ledger.lengths)
    return (
        f"What does not matter: the length of the sequences and the batch. Counted with {steps} "
        f"steps, and with {rows} rows, there are {ledger.total:,} parameters each time: every "
        "step uses the same ones."
    )


# -- beside others --------------------------------------------------------------------------------


def _elsewhere(ledger: Ledger) -> Section:
    lines, notes = [], []
    for found in ledger.elsewhere:
        counts = found.textbook, found.elman, found.torch
        lines.append(Line((found.layer, *(f"{n:,}" for n in counts))))
        if not found.second or len(set(counts)) == 1:
            continue
        who = "elman, Keras and PyTorch" if found.elman > found.textbook else "PyTorch"
        verb = "add" if found.elman > found.textbook else "adds"
        notes.append(
            f"{found.layer}: {found.formula} in a textbook; {who} {verb} a second bias, "
            f"{found.second}."
        )
    if any(f.elman > f.textbook for f in ledger.elsewhere):
        notes.append(WHY_TWO)
    if any(f.torch > f.elman for f in ledger.elsewhere):
        notes.append(WHY_TORCH)
    if len(lines) > 1:
        every = [(f.textbook, f.elman, f.torch) for f in ledger.elsewhere]
        sums = [f"{sum(column):,}" for column in zip(*every, strict=True)]
        lines.append(Line(("model", *sums), "total"))
    return Section(
        "The same layers, counted by others",
        ("layer", "textbook", "elman, Keras", "PyTorch"),
        tuple(lines), tuple(notes), (False, True, True, True),
    )  # fmt: skip


# -- costs ----------------------------------------------------------------------------------------


def _costs(ledger: Ledger) -> Section:
    lines = [
        Line((c.layer, f"{c.per_step:,}", f"{c.steps:,}", f"{c.per_sequence:,}"))
        for c in ledger.costs
    ]
    if len(lines) > 1:
        total = sum(c.per_sequence for c in ledger.costs)
        lines.append(Line(("model", "", "", f"{total:,}"), "total"))
    assumed = " (assumed: the input does not say)" if ledger.steps_assumed else ""
    notes = []
    if any(account.timed for account in ledger.layers):
        notes.append(
            f"Multiply-adds of the matrix products for one sequence of "
            f"{counted(ledger.steps, 'step')}"
            f"{assumed}, forward."
        )
    notes.append(f"The weights are {ledger.total:,} float32 numbers: {size(ledger.weight_bytes)}.")
    if ledger.training_bytes is not None:
        notes.append(
            f"Training keeps {size(ledger.training_bytes)} of activations and their gradients for "
            f"a batch of {counted(ledger.batch_size, 'row')}, as its plan lays them out."
        )
    return Section(
        "What they cost", ("layer", "multiply-adds per step", "steps", "per sequence"),
        tuple(lines), tuple(notes), (False, True, True, True),
    )  # fmt: skip


# -- comparisons ----------------------------------------------------------------------------------


def _comparisons(ledger: Ledger) -> Section:
    notes = []
    if flat := ledger.flattened:
        notes.append(
            f"A dense layer of {counted(flat.units, 'unit')} on the flattened input of "
            f"{flat.layer}, {counted(flat.steps, 'step')} x {counted(flat.features, 'feature')}: "
            f"{flat.formula} = {flat.dense:,} parameters, and {flat.dense_longer:,} for twice the "
            f"steps; {flat.layer} has {flat.recurrent:,} for any number of steps."
        )
    if hot := ledger.one_hot:
        notes.append(
            f"Words one-hot, without {hot.layer}: {hot.words:,} words x {hot.steps:,} steps x "
            f"{hot.sentences:,} sequences = {million(hot.numbers)} numbers; with it a table of "
            f"{hot.words:,} x {hot.vector:,} = {million(hot.table)} numbers, and {hot.indices:,} "
            "whole numbers to look up."
        )
    return Section("Instead of", (), (), tuple(notes), ())


# -- words for numbers ----------------------------------------------------------------------------


def shape(extents: Shape) -> str:
    """A shape without its batch axis: 60x1, ?x3.

    >>> shape((None, None, 3))
    '?x3'
    """
    return "x".join("?" if e is None else str(e) for e in extents[1:])


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "feature"), counted(2400, "parameter")
    ('1 feature', '2,400 parameters')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def size(count: float) -> str:
    """Bytes as people say them.

    >>> size(1234), size(3 * 2**20)
    ('1.2 KiB', '3.0 MiB')
    """
    for unit, one in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count:.0f} bytes"


def million(count: int) -> str:
    """A large number as people say it, where nothing is lost.

    >>> million(22_500_000), million(480_000)
    ('22.5 million', '480,000')
    """
    return f"{count / 1e6:g} million" if count >= 10**6 and count % 10**4 == 0 else f"{count:,}"
