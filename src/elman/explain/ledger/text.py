"""The ledger on a terminal, or in a pipe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from elman.explain.as_text import WIDTH, as_text

if TYPE_CHECKING:
    from elman.explain.ledger.ledger import Ledger
    from elman.explain.ledger.sections import Section

#: So much of a formula is worth keeping the other columns whole.
ROOM = 8
STYLES = {"head": "bold cyan", "part": "", "total": "bold"}


def plain(ledger: Ledger) -> str:
    """The ledger as ASCII, as wide as the terminal but not wider than 80 columns."""
    return as_text(ledger, width=terminal())


def terminal() -> int:
    """Columns to write in."""
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)


def parts(ledger: Ledger, width: int) -> Iterator[Any]:
    """What rich prints in so many columns, one after the other."""
    from rich.text import Text

    yield Text(ledger.title, style="bold")
    for section in ledger.sections:
        yield Text(f"\n{section.title}\n", style="bold")
        if section.lines:
            yield _table(section, width)
        if section.lines and section.notes:
            yield Text()
        if section.notes:
            yield _list(section.notes)


def _table(section: Section, width: int) -> Any:
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    rule = Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)
    columns = list(zip(*(line.cells for line in section.lines), strict=True))
    words = [max(map(len, name.split()), default=0) for name in section.header]
    longest = [max(w, *map(len, column)) for w, column in zip(words, columns, strict=True)]
    widest = longest.index(max(longest))
    broken = max(len(piece) + 2 for cell in columns[widest] for piece in cell.split(" = "))
    others = sum(longest) - longest[widest]
    gap = 2 if others + broken + 2 * (len(longest) - 1) <= width else 1
    space = width - gap * (len(longest) - 1)
    room = [space - sum(longest) + one for one in longest]
    table = Table(box=rule, pad_edge=False, show_edge=False, padding=(0, gap - 1, 0, 0))
    for i, (name, right) in enumerate(zip(section.header, section.right, strict=True)):
        # Names and numbers stay whole where they can; formulas give way.
        whole = longest[i] if sum(longest) > space and i != widest and room[widest] > ROOM else None
        justify: Any = "right" if right else "left"
        table.add_column(name, justify=justify, overflow="fold", width=whole)
    for line in section.lines:
        cells = list(line.cells)
        for i, cell in enumerate(cells):
            # A formula that does not fit breaks before its numbers.
            if len(cell) > room[i]:
                cells[i] = cell.replace(" = ", "\n= ")
        table.add_row(*map(Text, cells), style=STYLES[line.level])
    return table


def _list(notes: tuple[str, ...]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for note in notes:
        table.add_row("-", Text(note))
    return table
