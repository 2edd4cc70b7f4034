"""The command `elman`: one small function per command.

A command imports what it needs when it runs, so that `elman --help` and a mistyped option cost
nothing. Exit codes: 0 done, 2 a request that cannot be met (said on stderr), 130 stopped by
Ctrl-C.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence

from cyclopts import CycloptsError

from elman.cli import explaining, learning, measuring, using  # noqa: F401  (they add to `app`)
from elman.cli.app import app
from elman.errors import ElmanError, SpecError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: What follows `elman` on the command line; `sys.argv[1:]` if None.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    with warnings.catch_warnings():
        # A warning is for whoever typed the command: what, without where in elman.
        warnings.showwarning = lambda message, *_, **__: _say(str(message), tokens)
        return _run(tokens)


def _run(tokens: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal has no letters for is a ?
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except SpecError as error:  # it points at a place, two lines below
        print(f"elman: {error}", file=sys.stderr)
        return 2
    except (ElmanError, CycloptsError) as error:
        _say(str(error), tokens)
        return 2
    except KeyboardInterrupt:
        print("\nelman: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader left (`elman demo | head`): leave too, and keep Python from flushing again.
        _silence()
        return 1
    except OSError as error:  # a disk or a permission that nobody met before
        what = f"open {str(error.filename)!r}" if error.filename else "write what it prints"
        _say(
            f"elman expected to {what}, got: {error.strerror or error}. Check the file's "
            "permissions and the disk's room.",
            tokens,
        )
        if not error.filename:
            _silence()
        return 2
    return 0


def _say(message: str, tokens: Sequence[str]) -> None:
    """One line on standard error."""
    from elman.cli.wording import as_typed

    print("elman:", as_typed(message, tokens[0] if tokens else ""), file=sys.stderr)


def _silence() -> None:
    """Keep Python from flushing, at its end, what cannot be printed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
