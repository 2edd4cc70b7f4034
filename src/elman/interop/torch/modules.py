"""The modules: torch's own classes with another `forward`.

Because they are subclasses, parameters, state_dict, initialisation, repr and pickling are torch's,
and `isinstance(module, torch.nn.GRU)` stays true.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from elman.errors import DataError, OptionError
from elman.interop.torch.recurrence import CELLS, SEQUENCES, Layer, run


class _OnElman:
    """What RNN, LSTM and GRU share, before a class of torch."""

    def __init__(self, *args: Any, **options: Any) -> None:
        who = type(self).__name__
        device, dtype = options.get("device"), options.get("dtype")
        if device is not None and torch.device(device).type != "cpu":
            raise OptionError(
                f"{who} expected device='cpu', got {device!r}. elman computes on CPUs: use "
                f"torch.nn.{who} on other devices."
            )
        if dtype is not None and dtype not in SEQUENCES:
            raise OptionError(
                f"{who} expected dtype torch.float32 or torch.float64, got {dtype}. Use "
                f"torch.nn.{who} for other types."
            )
        super().__init__(*args, **options)
        reason = why_not(cast(nn.RNNBase, self))
        if reason:
            raise OptionError(f"{who} {reason}")

    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        """As torch's own: outputs of every step, and the last states.

        Args:
            input: [T, B, F], [B, T, F] if `batch_first`, unbatched [T, F], or a PackedSequence;
                float32 or float64 as the weights, on the CPU.
            hx: first states [num_layers * directions, B, H] or [num_layers * directions, H] if
                unbatched; for LSTM a pair of these. Zeros if not given.

        Raises:
            RuntimeError, ValueError: torch's own, for a wrong shape.
            DataError: a tensor on another device, or of another type than the weights.
        """
        packed = input if isinstance(input, PackedSequence) else None
        x = input if packed is None else packed.data
        if 0 in x.shape[:-1] or (packed is None and x.dim() not in (2, 3)):
            return self._torchs_own(input, hx)  # there is nothing to compute
        lone = packed is None and x.dim() == 2
        if lone:
            x = x.unsqueeze(1)
        states = () if hx is None else hx if self.mode == "LSTM" else (hx,)
        if packed is None:
            wrong = [h for h in states if h.dim() != (2 if lone else 3)]
            if wrong:
                return self._torchs_own(input, hx)  # an error
            if lone:
                states = tuple(h.unsqueeze(1) for h in states)
        elif packed.sorted_indices is not None:
            states = tuple(h.index_select(1, packed.sorted_indices) for h in states)
        weights = self._weights()
        self._check(x, states, weights, None if packed is None else packed.batch_sizes, lone)
        y, last = self._through(x, states, weights, packed, self.batch_first and not lone)
        if packed is not None:
            y = PackedSequence(
                y, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
            )
            if packed.unsorted_indices is not None:
                last = tuple(h.index_select(1, packed.unsorted_indices) for h in last)
        elif lone:
            y, last = y.squeeze(1), tuple(h.squeeze(1) for h in last)
        return y, last if self.mode == "LSTM" else last[0]

    def _weights(self: Any) -> list[Any]:
        """torch's list of them, found faster: as they are now, whoever put them there."""
        parameters = self._parameters
        try:
            return [parameters[name] for name in self._flat_weights_names]
        except KeyError:  # pruned or parametrized: some are plain attributes
            self._update_flat_weights()
            return self._flat_weights

    def _check(
        self: Any, x: Any, states: Any, weights: list[Any], batch_sizes: Any, lone: bool
    ) -> None:
        """Shapes by torch's own rules, then what elman needs, before any work."""
        who = type(self).__name__
        dtype = weights[0].dtype
        for tensor in (x, *states, *weights):
            if not tensor.is_cpu:
                raise DataError(
                    f"{who} expected tensors on the CPU, got one on {tensor.device}. elman "
                    f"computes on CPUs: move the model and its input there, or use torch.nn.{who}."
                )
            if tensor.dtype is not dtype or dtype not in SEQUENCES:
                raise DataError(
                    f"{who} expected input, states and weights all float32 or all float64, got "
                    f"{tensor.dtype} beside weights of {dtype}. Convert with .float() or "
                    ".double(), and leave autocast off for this layer."
                )
        self.check_input(x, batch_sizes)
        if states:
            if batch_sizes is not None:
                rows = int(batch_sizes[0])
            else:
                rows = x.size(0 if self.batch_first and not lone else 1)
            wanted = (self.num_layers * (2 if self.bidirectional else 1), rows, self.hidden_size)
            for name, state in zip("hc", states, strict=False):
                self.check_hidden_size(state, wanted, f"Expected {name}0 of size {{}}, got {{}}")

    def _through(
        self: Any,
        x: Any,
        states: Any,
        weights: list[Any],
        packed: PackedSequence | None,
        batch_first: bool,
    ) -> tuple[Any, tuple[Any, ...]]:
        """Layer by layer."""
        layers, directions = self.num_layers, 2 if self.bidirectional else 1
        each = len(weights) // layers
        sizes = None if packed is None else packed.batch_sizes.tolist()
        lasts = []
        for i in range(layers):
            last_layer = i == layers - 1
            layer = Layer(
                CELLS[self.mode],
                self.hidden_size,
                directions,
                # Between layers time comes first, so that dropout draws what it draws in torch.
                batch_first and i == 0,
                batch_first and last_layer,
                sizes,
            )
            own = [s if layers == 1 else s[i * directions : (i + 1) * directions] for s in states]
            h, c = (*own, None, None)[:2]
            x, *last = run(layer, x, h, c, weights[i * each : (i + 1) * each])
            lasts.append(last)
            if self.dropout and self.training and not last_layer:
                x = nn.functional.dropout(x, self.dropout)
        if layers == 1:
            return x, tuple(lasts[0])
        return x, tuple(torch.cat(state) for state in zip(*lasts, strict=True))

    def _torchs_own(self, input: Any, hx: Any) -> Any:
        """What torch answers, or raises."""
        return _torch_class(self).forward(self, input, hx)

    def __prepare_scriptable__(self: Any) -> nn.Module:
        """For `torch.jit.script`, which cannot see into elman: torch's own layer, same weights.

        torch then puts that one into the model; `replace` changes it back.
        """
        other = _torch_class(self).__new__(_torch_class(self))
        other.__dict__ = self.__dict__
        return other


class RNN(_OnElman, nn.RNN):
    """`torch.nn.RNN` on elman's kernels, with tanh or relu. Arguments as there, on the CPU."""


class LSTM(_OnElman, nn.LSTM):
    """`torch.nn.LSTM` on elman's kernels. Arguments as there, on the CPU, without `proj_size`."""


class GRU(_OnElman, nn.GRU):
    """`torch.nn.GRU` on elman's kernels. Arguments as there, on the CPU."""


TORCH_OWN: dict[type, Any] = {RNN: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU}


def _torch_class(module: Any) -> Any:
    """The class of torch.nn below a module's, which may be a subclass of somebody's own."""
    return next(own for ours, own in TORCH_OWN.items() if isinstance(module, ours))


def why_not(module: nn.RNNBase) -> str | None:
    """What keeps elman from computing a recurrent module of torch, or None."""
    if module.proj_size:
        return f"expected proj_size=0, got {module.proj_size}. Keep torch.nn.LSTM for projections."
    for weight in module.parameters():
        if weight.dtype not in SEQUENCES:
            return f"expected float32 or float64 weights, got {weight.dtype}. Convert the model."
        if weight.device.type not in ("cpu", "meta"):
            return f"expected weights on the CPU, got {weight.device}. Move the model there."
    return None
