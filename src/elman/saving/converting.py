"""A model's file in another format, and what that format has no room for."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from elman.errors import FileError
from elman.saving.files import FilePath, load_model, save_model, save_weights
from elman.saving.replacing import require_free

if TYPE_CHECKING:
    from elman.models import Model

#: Formats that elman does not write, and what to do instead.
OTHERS = {
    ".onnx": "elman does not write ONNX yet",
    ".c": "elman does not write C yet",
    ".h": "elman does not write C yet",
    ".tflite": "Keras does: it opens the .keras file",
    ".pt": "PyTorch takes weights with elman.interop.torch",
    ".pth": "PyTorch takes weights with elman.interop.torch",
    ".h5": "this older format is only read, and Keras 3 opens .keras; for weights alone let OUT "
    "end in .weights.h5",
}


class Converted(NamedTuple):
    """What became of a model.

    Attributes:
        path: the new file.
        left_out: what the old file has and the new one has not.
        warnings: what was said of the old file while it was read.
    """

    path: Path
    left_out: list[str]
    warnings: list[str]


def convert(source: FilePath, target: FilePath, overwrite: bool = False) -> Converted:
    """Write a model in another format.

    Args:
        source: a .keras file, or a whole-model .h5 file of Keras 2 or 3.
        target: ends in .keras, for everything; or in .weights.h5, for weights and the optimizer's
            state.
        overwrite: whether to replace a file that is there.

    Raises:
        FileError: a format that elman does not write, or a place where it may not; or no such
            model. Nothing is then written.
    """
    path = Path(target)
    whole, weights = path.name.endswith(".keras"), path.name.endswith(".weights.h5")
    if not whole and not weights:
        hint = OTHERS.get(path.suffix.lower(), "the ending says which")
        raise FileError(
            f"convert expected a file that ends in .keras or .weights.h5, got '{path}': {hint}."
        )
    require_free(path, "convert", overwrite)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = load_model(source)
        (save_model if whole else save_weights)(model, path)
    return Converted(path, [] if whole else _left_out(model), [str(one.message) for one in said])


def _left_out(model: Model) -> list[str]:
    """What a file of weights has no room for."""
    found = ["the layers and their options"]
    if model.optimizer is not None:
        found.append("loss, metrics and the optimizer's options; its state is kept")
    if model.history is not None:
        found.append("the history of the training")
    if model.prepared is not None:
        found.append("how the data were prepared, without which elman predict cannot read any")
    return found
