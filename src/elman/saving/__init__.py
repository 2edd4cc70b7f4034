"""Models in files that Keras reads and writes too. Opening a file never runs code.

`files` is what others call; `archive` and `tensors` check and read the zip and the HDF5 part,
`config` knows the closed lists of what is ever built, `replacing` keeps the old file until the
new one is whole.
"""

from elman.saving.files import load_model, load_weights, save_model, save_weights

__all__ = ["load_model", "load_weights", "save_model", "save_weights"]
