"""What a file is that is no .keras file, and what to do with it. Told by its first bytes only."""

from __future__ import annotations

import zipfile
from pathlib import Path

from elman.errors import FileError

#: How every HDF5 file begins.
HDF5 = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether there is a file that begins as an HDF5 file does."""
    try:
        with open(path, "rb") as file:
            return file.read(len(HDF5)) == HDF5
    except OSError:
        return False


def describe(path: Path) -> str:
    """The end of an error's sentence: what this is, and what to do."""
    if path.is_dir():
        return _describe_folder(path)
    with open(path, "rb") as file:
        head = file.read(16)
    if head.startswith(HDF5):
        return "an HDF5 file. Let its name end in .h5."
    if head[:4] == b"PK\x03\x04":
        return _describe_zip(path)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return (
            "a pickle. Opening a pickle runs whatever code it holds, so elman never does. Where "
            "the model came from, save it with model.save('model.keras')."
        )
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model. Save the Keras model it was made from as .keras."
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32:
        return "safetensors: weights without a model. Build it in code and call set_weights."
    if not head:
        return "which is empty. Copy or save it again."
    return "which is no zip archive, or a cut one. Copy or save it again with model.save."


def _describe_folder(path: Path) -> str:
    if (path / "saved_model.pb").exists():
        return (
            "a TensorFlow SavedModel. Open it with the Keras that made it, and save it with "
            "model.save('model.keras')."
        )
    if (path / "config.json").exists():
        return (
            "an unpacked Keras model. Pack it: python -m zipfile -c model.keras "
            "config.json metadata.json model.weights.h5, in this folder."
        )
    return "a folder. Name a file."


def _describe_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError):
        return "which is a damaged or cut zip archive. Copy or save it again."
    if any(name.endswith("data.pkl") for name in names):
        return (
            "a PyTorch file. It holds a pickle, and opening one runs code, so elman never does. "
            "Take the weights out in PyTorch, and give them to set_weights."
        )
    if names and all(name.endswith(".npy") for name in names):
        return "NumPy arrays (.npz). Open it with numpy.load, and give them to set_weights."
    return "a zip archive without a config.json. Save the model with model.save('model.keras')."


def unreadable(path: Path, who: str, error: OSError) -> FileError:
    """The error for a file that the system does not hand out."""
    if path.is_dir():
        return FileError(f"{who} expected a .keras file, got '{path}', {_describe_folder(path)}")
    if isinstance(error, FileNotFoundError):
        return FileError(
            f"{who} expected a file that exists, got '{path}'. Check the name and the folder "
            f"('{path.absolute().parent}')."
        )
    return FileError(
        f"{who} expected to read '{path}', got: {error.strerror or error}. Check its permissions."
    )
