"""HTML in small pieces. Whatever comes from outside passes `text` on its way in."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def text(value: object) -> str:
    """A value as text that is only text, in an attribute too."""
    return html.escape(str(value), quote=True)


def number(value: float) -> str:
    """A measured value in three digits, never with an exponent where it is large.

    >>> number(2918.7), number(0.06), number(1.0)
    ('2,919', '0.06', '1')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def tag(name: str, inner: str | None, **attributes: object) -> str:
    """An element around markup, or with None one that has no inside and no end.

    An attribute that is None is left out; a `_` in front lets one be called `class`.
    """
    given = "".join(
        f' {key.strip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>" if inner is None else f"<{name}{given}>{inner}</{name}>"


def paragraph(words: object, kind: str | None = None) -> str:
    """Plain words as a paragraph."""
    return tag("p", text(words), _class=kind)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[bool]) -> str:
    """A table of plain words; where `numbers` holds, a column is set to the right."""
    kinds = ["number" if number else None for number in numbers]
    head = "".join(
        tag("th", text(cell), _class=kind, scope="col")
        for cell, kind in zip(header, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(tag("td", text(cell), _class=kind) for cell, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def scrolling(inner: str, label: str) -> str:
    """What may be wider than a phone: it scrolls by itself, with the keyboard too."""
    return tag("div", inner, _class="wide", tabindex=0, role="region", aria_label=label)
