"""PyTorch's recurrent layers on elman's kernels: drop-in modules, and `replace` for whole models.

>>> from elman.interop.torch import GRU, replace          # doctest: +SKIP
"""

from elman.errors import MissingPackageError

try:
    import torch as _torch  # noqa: F401
except ImportError as missing:
    raise MissingPackageError(
        "elman.interop.torch expected PyTorch, which is not installed. "
        'Install it: pip install "elman[torch]".'
    ) from missing

from elman.interop.torch.modules import GRU, LSTM, RNN
from elman.interop.torch.replacing import Replaced, replace

__all__ = ["GRU", "LSTM", "RNN", "Replaced", "replace"]
