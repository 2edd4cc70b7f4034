"""Plans of graphs: several inputs, outputs and losses, layers that are shared, slots read twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases import inputs
from elman import _core, losses
from elman.graph import Call, Graph
from elman.layers import (
    GRU,
    LSTM,
    Add,
    Average,
    Concatenate,
    Dense,
    Embedding,
    Masking,
    Maximum,
    Minimum,
    Multiply,
    SimpleRNN,
    Subtract,
)
from harness import STEP, native_targets
from wired import MSE, Wired, judge, named

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> int:
    _core.set_threads(request.param)
    return int(request.param)


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
    judge(wired, [tokens, inputs(6, 4, 2), inputs(6, 3)], 6)


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
    judge(Wired(Graph(1, calls, (2, 3, 4)), [(6, 2)], [None, MSE, MSE]), [inputs(4, 6, 2)], 4)


def test_a_probability_that_others_read_still_has_its_way_back() -> None:
    # The loss enters before the sigmoid, and the sigmoid's other reader behind it.
    calls = (
        Call(Dense(3, "sigmoid"), (0,), (1,)),
        Call(named(Dense(2), "above"), (1,), (2,)),
    )
    wired = Wired(Graph(1, calls, (1, 2)), [(4,)], [losses.get("binary_crossentropy"), MSE])
    rng = np.random.default_rng(0)
    x, y = inputs(5, 4), [rng.integers(0, 2, (5, 3)).astype(np.float32), inputs(5, 2)]
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
    xs = [inputs(4, 5, 2), inputs(4, 5, 2) + 1]
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
        Wired(Graph(2, calls, (6,)), [(3, 2), (3, 4)], [MSE]), [inputs(4, 3, 2), inputs(4, 3, 4)], 4
    )


def test_three_inputs_and_one_of_them_twice(threads: int) -> None:
    calls = (
        Call(named(Dense(3), "a"), (0,), (1,)),
        Call(named(Dense(3), "b"), (0,), (2,)),
        Call(Multiply(), (1, 2, 1), (3,)),
        Call(Maximum(), (3, 2, 1), (4,)),
        Call(Concatenate(), (4, 3, 4), (5,)),
    )
    judge(Wired(Graph(1, calls, (5, 3)), [(4,)], [MSE, MSE]), [inputs(5, 4)], 5)
