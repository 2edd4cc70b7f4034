"""Rich tables as plain text: what `repr` returns, the same in a pipe, a file and a notebook."""

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
