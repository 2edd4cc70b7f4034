"""The two ways to a report: from Python, and from the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elman.checks import prepared_alike
from elman.errors import FileError, NotReadyError
from elman.explain.report.gathering import gather
from elman.explain.report.material import Material, material, of_sequences, read
from elman.explain.report.page import page
from elman.saving.replacing import place, replace

if TYPE_CHECKING:
    from elman.data import Sequences
    from elman.models import Model


def report(
    model: Model,
    x: Any,
    y: Any = None,
    path: str | os.PathLike[str] = "report.html",
    **known: Any,
) -> Path:
    """Write what there is to see of a model on some data; see `Model.report`.

    Args:
        known: what is known of the data; see `material`.
    """
    target = _page(path, "report")
    prepared_alike(model.prepared, x, model.label)
    return _written(model, material(x, y, **known), target, "report")


def inspect(
    model: str | os.PathLike[str],
    data: str,
    out: str | os.PathLike[str] = "report.html",
    loss: str | None = None,
    prepare: Callable[[Model, str], Sequences | None] | None = None,
) -> Path:
    """Write the report of a model in a file.

    Args:
        model: a .keras file.
        data: an .npz file with x and y, or the name of a bundled dataset.
        out: the page.
        loss: for a model that was saved without one.
        prepare: what else reads data for a model; None, or what returns None, leaves it to `read`.

    Raises:
        FileError: a file that is not what it should be, or cannot be written.
        NotReadyError: the model has no loss, and none is given.
        ElmanError: model and data do not fit together.
    """
    from elman import saving

    target = _page(out, "inspect")
    opened = saving.load_model(model)
    prepared = None if prepare is None else prepare(opened, data)
    given = read(data) if prepared is None else of_sequences(prepared, Path(data).name)
    if loss is not None:
        opened.compile(loss=loss)
    elif opened.loss is None:
        raise NotReadyError(
            f"inspect expected a model that was compiled before it was saved, got '{model}' "
            "without a loss. Name it: --loss binary_crossentropy, say."
        )
    return _written(opened, given, target, "inspect")


def _page(path: str | os.PathLike[str], who: str) -> Path:
    """The page's path, asked before there is any work."""
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise FileError(f"{who} expected a file that ends in .html, got '{target}'. Add it.")
    place(target, who)
    return target


def _written(model: Model, given: Material, target: Path, who: str) -> Path:
    replace(target, page(gather(model, given)).encode(), who)
    return target
