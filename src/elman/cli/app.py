"""The command `elman` itself; its commands are in the files beside this one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

#: An option that is there or is not: no --no-... of it.
Switch = Annotated[bool, Parameter(negative="")]


def _version() -> str:
    from elman import __version__

    return f"elman {__version__}"


app = App(
    name="elman",
    help="Train, run and explain recurrent neural networks.",
    help_epilogue=(
        "Examples:\n\n"
        "    elman train reviews.csv              from a file to a model: reviews.keras\n"
        "    elman predict reviews.keras new.csv  what it says of new data\n"
        "    elman demo                           text, sound and an ECG in turn\n"
        "    elman demo ecg                       one of them\n"
        "    elman bench                          how fast this machine trains\n"
        "    elman count '60x1 > lstm(16)'        where its parameters come from\n"
        "    elman quiz                           learn to count them\n"
        "    elman inspect model.keras ecg-beats  a page of what a model does\n"
    ),
    help_format="plaintext",
    version=_version,
    suppress_keyboard_interrupt=False,
)
