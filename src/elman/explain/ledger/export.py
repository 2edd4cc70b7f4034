"""The ledger as Markdown, CSV and JSON, and as a file of any of them."""

from __future__ import annotations

import csv as csv_module
import io
import json as json_module
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elman.errors import OptionError
from elman.explain.ledger.sections import CODE

if TYPE_CHECKING:
    from elman.explain.ledger.counting import Account
    from elman.explain.ledger.ledger import Ledger
    from elman.explain.ledger.sections import Section

#: The ending of a file, and the form of the ledger in it.
ENDINGS = {
    ".md": "to_markdown",
    ".csv": "to_csv",
    ".json": "to_json",
    ".html": "_repr_html_",
    ".txt": "__str__",
}


def markdown(ledger: Ledger) -> str:
    """See `Ledger.to_markdown`."""
    parts = [f"`{ledger.title}`"]
    for section in ledger.sections:
        parts.append(f"## {section.title}")
        if section.lines:
            parts.append(_table(section))
        parts.append("\n".join(f"- {_escaped(note)}" for note in section.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(section: Section) -> str:
    rows = [section.header, tuple("---:" if right else "---" for right in section.right)]
    for line in section.lines:
        mark = "" if line.level == "part" else "**"
        cells = []
        for name, cell in zip(section.header, line.cells, strict=True):
            code = "`" if name in CODE else ""
            text = cell.strip()
            cells.append(f"{mark}{code}{_escaped(text)}{code}{mark}" if text else "")
        rows.append(tuple(cells))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _escaped(text: str) -> str:
    """Nothing else that occurs here means anything in Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def csv(ledger: Ledger) -> str:
    """See `Ledger.to_csv`."""
    kept = io.StringIO()
    out = csv_module.writer(kept, lineterminator="\n")
    out.writerow(["layer", "tensor", "gate", "shape", "formula", "numbers", "count", "trainable"])
    for row in ledger.rows:
        extents = "x".join(map(str, row.shape))
        out.writerow(
            [row.layer, row.tensor, row.gate, extents, row.symbols, row.numbers, row.count,
             row.trainable]
        )  # fmt: skip
    return kept.getvalue()


def json(ledger: Ledger) -> str:
    """See `Ledger.to_json`."""
    return json_module.dumps(_plain(ledger), indent=2) + "\n"


def _plain(ledger: Ledger) -> dict[str, Any]:
    flat, hot = ledger.flattened, ledger.one_hot
    return {
        "model": ledger.title,
        "total": ledger.total,
        "trainable": ledger.trainable,
        "answer": ledger.answer,
        "budget": ledger.budget,
        "layers": [
            {
                "name": account.name,
                "kind": account.kind,
                "input_shape": account.input_shape,
                "output_shape": account.output_shape,
                **_sum(account),
                "letters": account.values,
                "gates": {_last(gate, account): _sum(gate) for gate in account.gates},
                "tensors": {
                    _last(tensor, account): {"shape": tensor.shape, **_sum(tensor)}
                    for tensor in account.tensors
                },
            }
            for account in ledger.layers
        ],
        "rows": [
            {**asdict(row), "formula": row.symbols, "numbers": row.numbers} for row in ledger.rows
        ],
        "elsewhere": [found._asdict() for found in ledger.elsewhere],
        "same_for_steps": ledger.lengths,
        "same_for_rows": ledger.batches,
        "steps": ledger.steps,
        "batch_size": ledger.batch_size,
        "multiply_adds": [
            {**found._asdict(), "per_sequence": found.per_sequence} for found in ledger.costs
        ],
        "weight_bytes": ledger.weight_bytes,
        "training_bytes": ledger.training_bytes,
        "flattened": flat and flat._asdict(),
        "one_hot": hot and hot._asdict(),
        "uncounted": [part._asdict() for part in ledger.uncounted],
        "notes": [note for section in ledger.sections for note in section.notes],
    }


def _sum(account: Account) -> dict[str, Any]:
    return {"count": account.total, "formula": account.symbols, "numbers": account.numbers}


def _last(part: Account, within: Account) -> str:
    return part.name.removeprefix(f"{within.name}/")


def save(ledger: Ledger, path: str | PathLike[str]) -> None:
    """See `Ledger.save`."""
    path = Path(path)
    form = ENDINGS.get(path.suffix.lower())
    if form is None:
        raise OptionError(
            f"ledger expected a file that ends in {', '.join(ENDINGS)}, got {str(path)!r}. Choose "
            "one of these endings."
        )
    text: str = getattr(ledger, form)()
    path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
