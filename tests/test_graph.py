"""Plans of graphs: several inputs, outputs and losses, layers that are shared, slots read twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elman import _core, losses
from elman.graph import Call, Graph
from elman.layers import (
    GRU,
    LSTM,
    Add,
    Average,
    Bidirectional,
    Concatenate,
    Dense,
    Embedding,
    Layer,
    Masking,
    Maximum,
    Minimum,
    Multiply,
    Recurrent,
    SimpleRNN,
    Subtract,
)
from elman.layers.layer import Shape
from elman.layers.merging import Merging
from elman.plan import Plan, Store
from harness import STEP, assert_close, native_targets, prepared

Array = np.ndarray[Any, np.dtype[Any]]


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


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


MSE = losses.get("mse")


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Any:
    before = _core.threads()
    _core.set_threads(request.param)
    yield request.param
    _core.set_threads(before)


def test_inputs_of_unequal_lengths_and_two_weighted_losses(threads: int) -> None:
    embedding = Embedding(7, 3, mask_zero=True)
    one, other = LSTM(5), GRU(5, return_sequences=True)
    last = named(SimpleRNN(5), "last")
    total, dense = Add(), Dense(2)
    graph = Graph(
        3,
        (
            Call(embedding, (0,), (3,)),
            Call(one, (3,), (4,)),
            Call(other, (1,), (5,)),
            Call(last, (5,), (6,)),
            Call(total, (4, 6), (7,)),
            Call(named(Dense(5), "static"), (2,), (8,)),
            Call(named(Add(), "add_2"), (7, 8), (9,)),
            Call(dense, (9,), (10,)),
        ),
        (10, 5),
    )
    tokens = np.random.default_rng(1).integers(0, 7, (6, 9)).astype(np.int32)
    wired = Wired(graph, [(9,), (4, 2), (3,)], [MSE, MSE], [0.3, 2.0])
    judge(wired, [tokens, normal(6, 4, 2), normal(6, 3)], 6)


@pytest.mark.parametrize("dense_first", [True, False])
def test_ops_read_an_embedding_in_any_order(dense_first: bool, threads: int) -> None:
    embedding, lstm, gru, dense = Embedding(6, 4), LSTM(3), GRU(3), Dense(2)
    readers = [(lstm, 2), (gru, 3), (dense, 4)]
    if dense_first:
        readers.reverse()
    calls = [Call(embedding, (0,), (1,)), *(Call(layer, (1,), (n,)) for layer, n in readers)]
    graph = Graph(1, tuple(calls), (4, 2, 3))
    tokens = np.random.default_rng(1).integers(0, 6, (5, 7)).astype(np.int32)
    judge(Wired(graph, [(7,)], [MSE, MSE, MSE]), [tokens], 5)


def test_an_embedding_is_handed_out_and_read() -> None:
    embedding, lstm = Embedding(6, 4), LSTM(3)
    graph = Graph(1, (Call(embedding, (0,), (1,)), Call(lstm, (1,), (2,))), (1, 2))
    tokens = np.random.default_rng(1).integers(0, 6, (5, 7)).astype(np.int32)
    judge(Wired(graph, [(7,)], [MSE, MSE]), [tokens], 5)


def test_a_layer_that_is_called_twice_has_one_gradient(threads: int) -> None:
    embedding, lstm, total, dense = Embedding(9, 4), LSTM(3), Add(), Dense(2)
    graph = Graph(
        2,
        (
            Call(embedding, (0,), (2,)),
            Call(lstm, (2,), (3,)),
            Call(embedding, (1,), (4,)),
            Call(lstm, (4,), (5,)),
            Call(total, (3, 5), (6,)),
            Call(dense, (6,), (7,)),
        ),
        (7,),
    )
    rng = np.random.default_rng(1)
    xs = [rng.integers(0, 9, (5, steps)).astype(np.int32) for steps in (6, 3)]
    wired = Wired(graph, [(6,), (3,)], [MSE])
    judge(wired, xs, 5)
    names = [op["name"] for op in wired.plan(5).native.describe()]
    assert names == ["embedding", "lstm", "embedding/1", "lstm/1", "add", "dense"]


def test_what_no_loss_sees_is_left_out_of_the_way_back() -> None:
    # The first reader of the LSTM leads nowhere, the next two do.
    lstm = LSTM(4, return_sequences=True)
    calls = (
        Call(lstm, (0,), (1,)),
        Call(named(Dense(3), "nowhere"), (1,), (2,)),
        Call(named(GRU(2), "gru"), (1,), (3,)),
        Call(named(Dense(2), "seen"), (1,), (4,)),
    )
    judge(Wired(Graph(1, calls, (2, 3, 4)), [(6, 2)], [None, MSE, MSE]), [normal(4, 6, 2)], 4)


def test_a_probability_that_others_read_still_has_its_way_back() -> None:
    # The loss enters before the sigmoid, and the sigmoid's other reader behind it.
    calls = (
        Call(Dense(3, "sigmoid"), (0,), (1,)),
        Call(named(Dense(2), "above"), (1,), (2,)),
    )
    wired = Wired(Graph(1, calls, (1, 2)), [(4,)], [losses.get("binary_crossentropy"), MSE])
    rng = np.random.default_rng(0)
    x, y = normal(5, 4), [rng.integers(0, 2, (5, 3)).astype(np.float32), normal(5, 2)]
    plan = wired.training(5)
    _, gradients = plan.native.gradients(x[:, None], [native_targets(v) for v in y], None)
    tensors = wired.tensors()
    for name, gradient in zip(tensors, gradients, strict=True):
        direction = rng.normal(size=gradient.shape)
        moved = {**tensors, name: tensors[name] + 1j * STEP * direction}
        slope = sum(v.imag for v in wired.loss([x], y, moved)) / STEP
        assert abs((gradient * direction).sum() - slope) < 1e-5 * max(1, abs(slope)), name


def test_a_layer_with_a_loss_must_not_follow_it() -> None:
    wired = Wired(Graph(1, (Call(Dense(2), (0,), (1,)),), (1,)), [(4,)], [MSE])
    plan = wired.training(2)
    with pytest.raises(ValueError, match="'late' must come before the losses"):
        plan.native.add("activation", "late", [0], [], {"activation": "tanh"})


MERGING = [Add, Average, Maximum, Minimum, Multiply, Concatenate, lambda: Concatenate(axis=1)]


@pytest.mark.parametrize("merging", [*MERGING, Subtract])
@pytest.mark.parametrize("masked", ["both", "first", "second", "neither"])
def test_merged_sequences_with_masks(merging: Any, masked: str, threads: int) -> None:
    # Sixteen and one more, so that a row of units is longer than a vector.
    calls = [
        Call(
            named(layer() if masked in ("both", which) else Dense(2), f"below_{i}"), (i,), (2 + i,)
        )
        for i, (which, layer) in enumerate([("first", Masking), ("second", Masking)])
    ]
    calls += [
        Call(named(SimpleRNN(17, return_sequences=True), "rnn_0"), (2,), (4,)),
        Call(named(GRU(17, return_sequences=True), "rnn_1"), (3,), (5,)),
        Call(merging(), (4, 5), (6,)),
        Call(named(GRU(3), "last"), (6,), (7,)),
    ]
    graph = Graph(2, tuple(calls), (6, 7))
    xs = [normal(4, 5, 2), normal(4, 5, 2) + 1]
    for row, steps in enumerate([5, 3, 0, 1]):
        xs[0][row, steps:] = 0
        if masked in ("both", "second"):
            xs[1][row, : 5 - steps] = 0
    judge(Wired(graph, [(5, 2), (5, 2)], [MSE, MSE]), xs, 4)


@pytest.mark.parametrize("merging", [Add, Subtract, Average, Multiply, Maximum, Minimum])
def test_one_step_or_one_unit_stands_for_all(merging: Any, threads: int) -> None:
    calls = (
        Call(GRU(18, return_sequences=True), (0,), (2,)),
        Call(named(LSTM(18), "of_all_steps"), (0,), (3,)),
        Call(merging(), (2, 3), (4,)),
        Call(named(Dense(1), "one"), (1,), (5,)),
        Call(named(merging(), "again"), (4, 5), (6,)),
    )
    judge(
        Wired(Graph(2, calls, (6,)), [(3, 2), (3, 4)], [MSE]), [normal(4, 3, 2), normal(4, 3, 4)], 4
    )


def test_three_inputs_and_one_of_them_twice(threads: int) -> None:
    calls = (
        Call(named(Dense(3), "a"), (0,), (1,)),
        Call(named(Dense(3), "b"), (0,), (2,)),
        Call(Multiply(), (1, 2, 1), (3,)),
        Call(Maximum(), (3, 2, 1), (4,)),
        Call(Concatenate(), (4, 3, 4), (5,)),
    )
    judge(Wired(Graph(1, calls, (5, 3)), [(4,)], [MSE, MSE]), [normal(5, 4)], 5)
