"""Rich tables as plain text: what `repr` returns, the same in a pipe, a file and a notebook.

And texts from files, as a table may hold them.
"""

from __future__ import annotations

import io

WIDTH = 80


def as_text(*things: object, width: int = WIDTH) -> str:
    """What rich prints in so many columns, without colours and without spaces at line ends."""
    from rich.console import Console

    text = io.StringIO()
    # In a notebook rich would write into the page instead.
    console = Console(
        width=width, file=text, color_system=None, highlight=False, force_jupyter=False
    )
    for thing in things:
        console.print(thing)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def seen(text: object) -> str:
    """A text from a file as a terminal may show it: what would move its cursor is a ?."""
    return "".join(c if c.isprintable() else "?" for c in str(text))
