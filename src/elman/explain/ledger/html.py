"""The ledger as a part of a page: complete in itself, in the colours of whatever is around it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from elman.explain.ledger.sections import CODE

if TYPE_CHECKING:
    from elman.explain.ledger.ledger import Ledger
    from elman.explain.ledger.sections import Line, Section

# Text keeps the page's own colour; lines and bars are that colour, thinned.
STYLE = """
.elman-ledger { font: 14px/1.45 system-ui, sans-serif; max-width: 64em; color: inherit; }
.elman-ledger td { white-space: nowrap; }
.elman-ledger code { font-size: 13px; background: none; color: inherit;
  padding: 0; }
.elman-ledger .line { overflow-wrap: anywhere; opacity: .75; }
.elman-ledger .total { font-size: 22px; font-weight: 600; margin: .3em 0; }
.elman-ledger h4 { font-size: 15px; margin: 1.4em 0 .3em; }
.elman-ledger .wide { overflow-x: auto; }
.elman-ledger table { border-collapse: collapse; margin: 0; font-size: 13px; color: inherit; }
.elman-ledger th, .elman-ledger td { padding: 2px 1.2em 2px 0; text-align: left;
  vertical-align: top; border: 0; background: none; color: inherit; }
.elman-ledger th { font-weight: 600; border-bottom: 1px solid currentColor; }
.elman-ledger .number { text-align: right; font-variant-numeric: tabular-nums; padding-right: 0; }
.elman-ledger .number + .number { padding-left: 1.6em; }
.elman-ledger tr.head td { font-weight: 600; padding-top: .7em;
  border-top: 1px solid rgba(128, 128, 128, .35); }
.elman-ledger tr.part td:first-child, .elman-ledger tr.sum td:first-child { padding-left: 1.2em; }
.elman-ledger tr.sum td, .elman-ledger tr.total td { font-weight: 600; font-size: 13px; }
.elman-ledger tr.total td { border-top: 1px solid currentColor; }
.elman-ledger .share { display: inline-block; width: 7em; height: .6em;
  border: 1px solid rgba(128, 128, 128, .5); }
.elman-ledger .share i { display: block; height: 100%; background: currentColor; opacity: .6; }
.elman-ledger td.formula { white-space: normal; font-family: ui-monospace, monospace; }
.elman-ledger td.formula code { white-space: nowrap; }
.elman-ledger .bar { padding: 2px 0 2px 1.2em; }
@media (max-width: 40em) { .elman-ledger .bar, .elman-ledger .shape { display: none; } }
.elman-ledger ul { margin: .5em 0 0; padding-left: 1.2em; }
"""


def page(ledger: Ledger) -> str:
    """The ledger as HTML without anything from a network."""
    found = [
        f"<style>{STYLE}</style>",
        f'<div class="line"><code>{escape(ledger.title)}</code></div>',
    ]
    for number, section in enumerate(ledger.sections):
        found.append(
            f"<h4>{escape(section.title)}</h4>"
            if number
            else f'<div class="total">{escape(section.title)}</div>'
        )
        if section.lines:
            whole = ledger.total if number == 0 else 0
            found.append(_table(section, whole))
        notes = "".join(f"<li>{escape(note)}</li>" for note in section.notes)
        found.append(f"<ul>{notes}</ul>" if notes else "")
    return f'<div class="elman-ledger">{"".join(found)}</div>'


def _table(section: Section, whole: int) -> str:
    names = "".join(
        f'<th class="{_kind(name, right)}">{escape(name)}</th>'
        for name, right in zip(section.header, section.right, strict=True)
    )
    share = '<th class="bar">share</th>' * bool(whole)
    rows = "".join(_row(line, section, whole) for line in section.lines)
    return f'<div class="wide"><table><tr>{names}{share}</tr>{rows}</table></div>'


def _row(line: Line, section: Section, whole: int) -> str:
    cells = ""
    for name, cell, right in zip(section.header, line.cells, section.right, strict=True):
        text = escape(cell.strip())
        if name in CODE and text:
            # A formula that does not fit breaks before its numbers.
            text = "<code>" + text.replace(" = ", "</code> <code>= ") + "</code>"
        cells += f'<td class="{_kind(name, right)}">{text}</td>'
    if whole:
        cells += f'<td class="bar">{_share(line, whole)}</td>'
    kind = "sum" if line.level == "total" and line.cells[0].startswith(" ") else line.level
    return f'<tr class="{kind}">{cells}</tr>'


def _kind(column: str, right: bool) -> str:
    return "number" if right else column if column in CODE else ""


def _share(line: Line, whole: int) -> str:
    """A bar, and the number it shows, for whoever does not see it."""
    count = line.cells[-1].replace(",", "")
    if not count:
        return ""
    percent = 100 * int(count) / whole
    return (
        f'<span class="share" title="{percent:.1f} %"><i style="width: {percent:.1f}%"></i></span>'
    )
