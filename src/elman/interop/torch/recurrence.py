"""One recurrent layer, in one or both directions, as a function that torch can differentiate."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from elman import _core
from elman.errors import OptionError

SEQUENCES: dict[torch.dtype, Any] = {
    torch.float32: _core.FloatSequence,
    torch.float64: _core.DoubleSequence,
}

NOTHING = (0, 0, 0)


class Cell(NamedTuple):
    """A cell of torch in elman's words.

    Args:
        name: of the native cell.
        activation: of the candidate.
        order: of each gate in Keras's order, its place in torch's weights.
        states: how many arrays the state consists of.
    """

    name: str
    activation: str
    order: tuple[int, ...]
    states: int = 1


#: By torch's own word, `module.mode`. torch has the GRU's gates as r z n.
CELLS = {
    "RNN_TANH": Cell("simple_rnn", "tanh", (0,)),
    "RNN_RELU": Cell("simple_rnn", "relu", (0,)),
    "LSTM": Cell("lstm", "tanh", (0, 1, 2, 3), states=2),
    "GRU": Cell("gru", "tanh", (1, 0, 2)),
}


class Layer(NamedTuple):
    """How a layer goes through its input.

    Args:
        cell: what it does at each step.
        units: H.
        directions: one, or two.
        batch_first: whether the input is [B, T, F], not [T, B, F].
        batch_first_out: the same of the output.
        batch_sizes: of a packed sequence, whose input is [sum of these, F]; or None.
    """

    cell: Cell
    units: int
    directions: int
    batch_first: bool = False
    batch_first_out: bool = False
    batch_sizes: list[int] | None = None


def outside_graphs(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that `torch.compile` calls as it is, between the graphs that it makes.

    Loading what compiles takes a second, so whoever does not compile does not load it.
    """
    untraced = torch._disable_dynamo(function)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return (untraced if "torch._dynamo" in sys.modules else function)(*args)

    return call


@outside_graphs
def run(
    layer: Layer,
    x: torch.Tensor,
    h: torch.Tensor | None,
    c: torch.Tensor | None,
    weights: list[torch.Tensor],
) -> tuple[torch.Tensor, ...]:
    """Outputs of every step and last states, differentiable wherever somebody asks for it.

    Args:
        layer: which cell, and how the input lies.
        x: [T, B, F], [B, T, F] or packed [N, F].
        h, c: first states [directions, B, H]; None is zeros.
        weights: of each direction [G*H, F], [G*H, H] and, if there are biases, two of [G*H].

    Returns:
        y as x with directions * H features; h, and c where there is one, after the last step.
    """
    if torch.is_grad_enabled():
        for tensor in (x, h, c, *weights):
            if tensor is not None and tensor.requires_grad:
                found: tuple[torch.Tensor, ...] = Recurrence.apply(layer, x, h, c, *weights)
                return found
    return _forward(layer, *_readable(x, h, c, weights), keep=False)[1]


class Recurrence(torch.autograd.Function):
    """Forward and backward by elman's kernels, on the memory of torch's own tensors."""

    @staticmethod
    def forward(ctx: Any, layer: Layer, x: Any, h: Any, c: Any, *weights: Any) -> Any:
        ctx.set_materialize_grads(False)
        readable = _readable(x, h, c, weights)
        native, found = _forward(layer, *readable, keep=True)
        x, h, c, weights = readable
        # What is saved this way torch guards: a change in place before backward is an error.
        ctx.save_for_backward(x, h, c, *weights)
        ctx.layer, ctx.native = layer, native
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        if not torch.is_grad_enabled():
            return _backward(ctx, *gradients)
        # create_graph=True: whoever differentiates these must not take them for constants.
        with torch.no_grad():
            found = _backward(ctx, *gradients)
        sources = (*ctx.saved_tensors, *gradients)
        anchor = next((s for s in sources if s is not None and s.requires_grad), None)
        return found if anchor is None else Once.apply(anchor, *found)


class Once(torch.autograd.Function):
    """Gradients as they are, until somebody asks for theirs."""

    @staticmethod
    def forward(ctx: Any, anchor: torch.Tensor, *gradients: Any) -> Any:
        return gradients

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise OptionError(
            "elman.interop.torch expected to be differentiated once, got a second derivative "
            "(create_graph=True). Keep torch.nn's layer where one is needed, as in a gradient "
            "penalty."
        )


@outside_graphs
def _backward(ctx: Any, d_y: Any, d_h_n: Any, d_c_n: Any = None) -> Any:
    x, h, c, *weights = ctx.saved_tensors
    layer = ctx.layer
    _, *wanted = ctx.needs_input_grad
    # Backward uses up what forward left. Whoever goes back a second time goes forward again.
    native, ctx.native = ctx.native, None
    if native is None:
        native, _ = _forward(layer, x, h, c, weights, keep=True)
    if d_y is not None and d_y.stride(-1) != 1:
        d_y = d_y.contiguous()
    d_h_n, d_c_n = (d if d is None or d.is_contiguous() else d.contiguous() for d in (d_h_n, d_c_n))
    d_x, d_h, d_c, *d_weights = (
        torch.empty_like(tensor, memory_format=torch.contiguous_format) if yes else None
        for tensor, yes in zip((x, h, c, *weights), wanted, strict=True)
    )
    native.backward(
        _addresses(weights),
        _lines(x, layer.batch_first),
        _lines(d_y, layer.batch_first_out),
        (_address(d_h_n), _address(d_c_n)),
        _lines(d_x, layer.batch_first),
        (_address(d_h), _address(d_c)),
        _addresses(d_weights),
    )
    return None, d_x, d_h, d_c, *d_weights


def _forward(
    layer: Layer, x: Any, h: Any, c: Any, weights: Any, keep: bool
) -> tuple[Any, tuple[torch.Tensor, ...]]:
    """The native sequence, and what it made: y, h and, where there is one, c."""
    cell, units, directions = layer.cell, layer.units, layer.directions
    features = x.size(-1)
    if layer.batch_sizes is not None:
        steps, rows = len(layer.batch_sizes), layer.batch_sizes[0]
        shape: tuple[int, ...] = (x.size(0), directions * units)
    else:
        steps, rows = (x.size(1), x.size(0)) if layer.batch_first else (x.size(0), x.size(1))
        shape = (rows, steps) if layer.batch_first_out else (steps, rows)
        shape += (directions * units,)
    y = x.new_empty(shape)
    last = [x.new_empty((directions, rows, units)) for _ in range(cell.states)]
    native = SEQUENCES[x.dtype](
        cell.name,
        cell.activation,
        cell.order,
        len(weights) > 2 * directions,
        features,
        units,
        steps,
        rows,
        directions,
        torch.get_num_threads(),
        layer.batch_sizes,
    )
    native.forward(
        _addresses(weights),
        _lines(x, layer.batch_first),
        (_address(h), _address(c)),
        _lines(y, layer.batch_first_out),
        (last[0].data_ptr(), last[1].data_ptr() if cell.states == 2 else 0),
        keep,
    )
    return native, (y, *last)


def _readable(x: Any, h: Any, c: Any, weights: Any) -> tuple[Any, Any, Any, Any]:
    """The same tensors where they lie as the kernels read them, which is nearly always."""
    # Steps and rows may lie anywhere, only the features of a row must be neighbours.
    if x.stride(-1) != 1:
        x = x.contiguous()
    if h is not None and not h.is_contiguous():
        h = h.contiguous()
    if c is not None and not c.is_contiguous():
        c = c.contiguous()
    if not all(w.is_contiguous() for w in weights):
        weights = [w.contiguous() for w in weights]
    return x, h, c, weights


def _address(tensor: torch.Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _addresses(tensors: Any) -> list[int]:
    return [0 if tensor is None else tensor.data_ptr() for tensor in tensors]


def _lines(tensor: torch.Tensor | None, batch_first: bool) -> tuple[int, int, int]:
    """Address, and numbers from step to step and from row to row."""
    if tensor is None:
        return NOTHING
    if tensor.dim() == 2:
        return tensor.data_ptr(), 0, tensor.stride(0)
    step, row, _ = tensor.stride()
    if batch_first:
        step, row = row, step
    return tensor.data_ptr(), step, row
