"""Layers connected into a graph, by a plan and by their formulas, and the judge of the two."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman import losses
from elman.graph import Graph
from elman.layers import Bidirectional, Layer, Recurrent
from elman.layers.layer import Shape
from elman.layers.merging import Merging
from elman.plan import Plan, Store
from harness import STEP, assert_close, native_targets, prepared

Array = np.ndarray[Any, np.dtype[Any]]

MSE = losses.get("mse")


def named(layer: Layer, name: str) -> Layer:
    layer.name = name
    return layer


class Wired:
    """Layers, connected; and the same by their formulas."""

    def __init__(
        self,
        graph: Graph,
        shapes: list[Shape],
        compared: list[Any],
        weights: list[float] | None = None,
    ) -> None:
        self.graph, self.shapes, self.losses = graph, shapes, compared
        first = {i: call.layer for call in graph.calls for i in call.takes}
        self.tokens = [first[i].takes_tokens for i in range(graph.inputs)]
        self.weights = weights or [1.0] * len(compared)
        known: dict[int, Shape] = {i: (None, *s) for i, s in enumerate(shapes)}
        self.layers: dict[int, tuple[Layer, Shape]] = {}
        for call in graph.calls:
            entering = [known[i] for i in call.takes]
            self.layers.setdefault(id(call.layer), (call.layer, entering[0]))
            known.update(zip(call.makes, call.layer.output_shapes(entering), strict=True))
        self.store = Store(*zip(*self.layers.values(), strict=True))
        self.store.own()

    def plan(self, rows: int, **options: Any) -> Plan:
        return Plan(
            self.store, list(self.shapes), tokens=self.tokens, rows=rows,
            graph=self.graph, **options,
        )  # fmt: skip

    def training(self, rows: int) -> Plan:
        return self.plan(rows, training=True, loss=self.losses, loss_weights=self.weights)

    def tensors(self) -> dict[str, Array]:
        return {
            f"{layer.name}/{p.name}": value.astype(np.float64)
            for layer, _ in self.layers.values()
            for p, value in zip(layer.own_params, layer.get_weights(), strict=True)
        }

    def formula(self, xs: list[Array], weights: dict[str, Array]) -> list[tuple[Array, Any]]:
        values: dict[int, tuple[Array, Any]] = {i: (prepared(x), None) for i, x in enumerate(xs)}
        for call in self.graph.calls:
            layer, taken = call.layer, [values[i] for i in call.takes]
            if isinstance(layer, Merging):
                arrays, masks = [x for x, _ in taken], [mask for _, mask in taken]
                arrays = [x[:, None] if x.ndim < arrays[0].ndim else x for x in arrays]
                values[call.makes[0]] = (
                    layer.combine(arrays, masks),
                    layer.combine_masks(arrays, masks),
                )
                continue
            own = {p.name: weights[f"{layer.name}/{p.name}"] for p in layer.own_params}
            x, mask = taken[0]
            if isinstance(layer, Recurrent | Bidirectional):
                out, states = layer.walk(x, own, mask, [state for state, _ in taken[1:]] or None)
                values.update(
                    zip(call.makes[1:], ((state, None) for state in states), strict=False)
                )
            else:
                out = layer.formula(x, own, mask)
            values[call.makes[0]] = out, layer.formula_mask(x, mask)
        return [values[i] for i in self.graph.outputs]

    def loss(self, xs: list[Array], ys: list[Array], weights: dict[str, Array]) -> list[Any]:
        found = []
        for (out, mask), y, loss in zip(self.formula(xs, weights), ys, self.losses, strict=True):
            if loss is None:
                continue
            each = loss.per_sample(y, out)
            counts = np.ones(each.shape) if mask is None or each.ndim == 1 else mask
            found.append((each * counts).sum() / counts.sum())
        return found


def judge(wired: Wired, xs: list[Array], rows: int, seed: int = 3) -> None:
    """Outputs, losses and gradients of the engine before the formulas and their complex step."""
    rng = np.random.default_rng(seed)
    for layer, _ in wired.layers.values():
        layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    tensors = wired.tensors()
    wanted = [out for out, _ in wired.formula(xs, tensors)]
    plan = wired.plan(rows)
    got = [np.empty(out.shape, np.float32) for out in wanted]
    arrays = [x[:, None, :] if x.ndim == 2 and x.dtype != np.int32 else x for x in xs]
    plan.native.predict(arrays, got)
    for one, other in zip(got, wanted, strict=True):
        assert_close(one, other)
    ys = [rng.normal(size=out.shape).astype(np.float32) for out in wanted]
    train = wired.training(rows)
    targets = [native_targets(y) for y, loss in zip(ys, wired.losses, strict=True) if loss]
    for _ in range(2):  # the second finds what the first left behind
        values, gradients = train.native.gradients(arrays, targets, None)
        values = values if isinstance(values, list) else [values]
        np.testing.assert_allclose(values, wired.loss(xs, ys, tensors), rtol=1e-5)
    kept = [w for w, loss in zip(wired.weights, wired.losses, strict=True) if loss]
    for name, gradient in zip(tensors, gradients, strict=True):
        direction = rng.normal(size=gradient.shape)
        moved = {**tensors, name: tensors[name] + 1j * STEP * direction}
        slope = sum(w * v.imag for w, v in zip(kept, wired.loss(xs, ys, moved), strict=True)) / STEP
        got_slope = float((gradient * direction).sum())
        scale = float(np.abs(gradient).max()) * np.sqrt(gradient.size)
        assert abs(got_slope - slope) <= 2e-5 * scale, (name, got_slope, slope)
