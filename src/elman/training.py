"""The loop: order, chunks of batches, metrics, callbacks. Python sees chunks, never time steps.

A batch is gone through at once, or window by window where sequences are long: `windows.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from elman import _core, batches, seeds, windows
from elman.callbacks import Callback, CallbackList, History
from elman.errors import DataError, OptionError
from elman.layers.layer import whole
from elman.mapped import Mapped, take
from elman.plan import listed
from elman.progress import ProgressBar
from elman.samples import Data
from elman.scores import Outputs, Scores

if TYPE_CHECKING:
    from elman.models import Model
    from elman.plan import Plan

Array = np.ndarray[Any, np.dtype[Any]]

#: Native work between two looks at the clock, the keyboard and the progress bar, in seconds.
CHUNK_SECONDS = 0.1


def fit(
    model: Model,
    x: Any,
    y: Any,
    *,
    batch_size: int | None,
    epochs: int,
    verbose: int | str,
    callbacks: list[Callback] | None,
    validation_split: float,
    validation_data: Any,
    shuffle: bool,
    class_weight: dict[int, float] | None,
    sample_weight: Any,
    initial_epoch: int,
    tbptt: int | None = None,
    recompute: bool | str = "auto",
) -> History:
    """Train a model; see `Model.fit`."""
    epochs = whole("fit", "epochs", epochs, 0)
    initial_epoch = whole("fit", "initial_epoch", initial_epoch, 0)
    model.require_compiled("fit")
    data = Data(model, x, y, sample_weight, class_weight)
    data, held_out = _split(model, data, validation_split, validation_data)
    batch = batches.size(model, len(data), batch_size, "fit")
    if held_out is not None:
        batches.check_whole(model, len(held_out), batch, "validation")
    if shuffle and model.stateful:
        batches.warn_of_shuffling(model)
    windows.check_recompute(model, data, recompute, tbptt)
    window = None if tbptt is None else windows.of_steps(model, data, tbptt)
    per_batch = 1 if window is None else -(-data.length // window)
    runs = -(-len(data) // batch) * per_batch  # batches, or windows of them
    scores = Scores(model, data)
    history = History()
    bar = ProgressBar(verbose)
    watchers = CallbackList([callbacks, history, bar])
    # All is checked. From here on the model changes.
    rows = min(batch, len(data))
    cut = window if tbptt is not None else windows.recomputed(model, data, rows, recompute)
    plan = model.plan_for(data.x, rows=rows, training=True, loss=True, steps=cut, stateful=True)
    plan.native.recomputes = cut is not None and window is None
    watchers.set_model(model)
    watchers.set_params({"epochs": epochs, "steps": runs, "verbose": verbose})
    model.stop_training = False
    model.history = history
    optimizer = model.native_optimizer()
    assert model.optimizer is not None

    logs: dict[str, float] = {}
    most = data.most(batch, window or data.length)
    chunk = (
        1
        if watchers.wants_batches
        else min(first_chunk(plan, batch, data.length // per_batch), most)
    )
    watchers.on_train_begin()
    try:
        for epoch in range(initial_epoch, epochs):
            scores.reset()
            watchers.on_epoch_begin(epoch)
            order = np.arange(len(data))
            if shuffle:
                seeds.generator().shuffle(order)
            # A run of batches that is cut into other chunks must draw the same numbers.
            seed = seeds.draw_seed()
            done = 0
            while done < runs and not model.stop_training:
                # Windows of one batch have the same rows; other chunks are whole batches.
                walked = 0 if window is None else done % per_batch
                count = min(chunk, runs - done if window is None else per_batch - walked)
                began = time.perf_counter()
                if watchers.wants_batches:
                    watchers.on_train_batch_begin(done)
                at = done // per_batch * batch
                part = order[at : at + (count * batch if window is None else batch)]
                steps = None
                if window is not None:
                    steps = walked * window, min((walked + count) * window, data.length)
                _train_chunk(model, plan, data, part, batch, optimizer, seed, scores, steps)
                done += count
                if watchers.wants_batches:
                    watchers.on_train_batch_end(done - 1, scores.logs())
                else:
                    took = max(time.perf_counter() - began, 1e-6)
                    chunk = int(np.clip(count * CHUNK_SECONDS / took, 1, min(2 * count + 1, most)))
                if watchers.wants_chunks:
                    watchers.on_chunk_end(done, runs, scores.logs())
            # Steps that a row missed differ in the last bit when they are made good in two pieces.
            # So that it does not matter who looks at the weights now, all of them are.
            optimizer.catch_up()
            results = scores.logs()
            if held_out is not None:
                results.update(_validate(model, held_out, batch, watchers))
            watchers.on_epoch_end(epoch, results)
            logs = results
            if model.stop_training:
                break
    finally:
        # Also on Ctrl-C: what was learned stays, and callbacks can put the best weights back.
        bar.close()
        watchers.on_train_end(logs)
    return history


def _train_chunk(
    model: Model,
    plan: Plan,
    data: Data,
    order: Array,
    batch: int,
    optimizer: _core.Optimizer,
    seed: int,
    scores: Scores,
    steps: tuple[int, int] | None = None,
) -> None:
    assert model.optimizer is not None
    if steps is None:
        sizes, length = windows.batch_sizes(len(order), batch), data.length
    else:
        sizes = windows.window_sizes(len(order), plan.steps, *steps)
        length = steps[1] - steps[0]
    taken = data.take(order, *(steps or ()))
    first = model.optimizer.iterations
    rates = np.ascontiguousarray(model.optimizer.learning_rates(first, len(sizes)), np.float32)
    outputs = Outputs(plan, sizes, len(order), length, scores)
    optimizer.iterations = first
    if steps is None or steps[0] == 0:  # states go on from window to window
        plan.begin()
    plan.native.train(
        plan.arrange(taken.x), taken.y, taken.weight, taken.order, min(batch, plan.rows), seed,
        optimizer, rates, *outputs.native, taken.steps,
    )  # fmt: skip
    plan.end()
    model.optimizer.iterations = optimizer.iterations
    outputs.score(data, order, *(steps or ()))


def evaluate(
    model: Model,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: int | str,
    sample_weight: Any,
) -> dict[str, float]:
    """Loss and metrics by name; see `Model.evaluate`."""
    model.require_compiled("evaluate")
    data = Data(model, x, y, sample_weight, None, "evaluate")
    batch = batches.size(model, len(data), batch_size, "evaluate")
    bar = ProgressBar(verbose)
    try:
        bar.on_test_begin()
        scores = _evaluate(model, data, batch, bar)
        bar.on_test_end(scores.logs())
    finally:
        bar.close()
    return scores.logs()


def _validate(model: Model, data: Data, batch: int, watchers: CallbackList) -> dict[str, float]:
    watchers.on_test_begin()
    logs = _evaluate(model, data, batch, None, watchers).logs()
    watchers.on_test_end(logs)
    return {f"val_{name}": value for name, value in logs.items()}


def _evaluate(
    model: Model,
    data: Data,
    batch: int,
    bar: ProgressBar | None,
    watchers: CallbackList | None = None,
) -> Scores:
    scores = Scores(model, data)
    window = windows.for_inference(model, data.x)
    plan = model.plan_for(
        data.x, rows=min(batch, len(data)), loss=True, steps=window, stateful=True
    )
    count = -(-len(data) // batch)
    by_batch = watchers if watchers is not None and watchers.wants_test_batches else None
    chunk = min(first_chunk(plan, batch), data.most(batch, data.length))
    if by_batch or window is not None:
        chunk = 1
    for done in range(0, count, chunk):
        if by_batch:
            by_batch.on_test_batch_begin(done)
        rows = np.arange(done * batch, min((done + chunk) * batch, len(data)))
        if window is None:
            _evaluate_chunk(plan, data, rows, batch, scores)
        else:
            windows.evaluate(model, plan, data, rows, first_chunk(plan, len(rows)), scores)
        if by_batch:
            by_batch.on_test_batch_end(done, scores.logs())
        if bar is not None and bar.verbose != 0:
            bar.on_chunk_end(min(done + chunk, count), count, scores.logs())
    return scores


def _evaluate_chunk(plan: Plan, data: Data, rows: Array, batch: int, scores: Scores) -> None:
    outputs = Outputs(plan, windows.batch_sizes(len(rows), batch), len(rows), data.length, scores)
    taken = data.take(rows)
    plan.begin()
    plan.native.evaluate(
        plan.arrange(taken.x), taken.y, taken.weight, min(batch, plan.rows), *outputs.native,
        taken.order,
    )  # fmt: skip
    plan.end()
    outputs.score(data, rows)


def predict(model: Model, x: Any, batch_size: int | None, verbose: int | str) -> Any:
    """Outputs for inputs; see `Model.predict`."""
    values = model.check_inputs(x)
    batch = batches.size(model, len(values), batch_size, "predict")
    window = windows.for_inference(model, values)
    # The engine goes through the samples in pieces that suit it, unless states go on between them.
    rows = batch if model.stateful else min(max(len(values), 1), 32 * _core.threads())
    plan = model.plan_for(values, rows=rows, steps=window, stateful=True)
    out = plan.room(len(values), values.shape[1])
    if not len(values):
        return out
    chunk = first_chunk(plan, batch) * batch
    if window is None and len(values) <= chunk and not isinstance(values, Mapped):
        plan.begin()
        plan.native.predict(plan.arrange(values), listed(out))
        plan.end()
        return out
    bar = ProgressBar(verbose)
    try:
        walk = windows.predict if window is not None else _predict_rows
        slow = False  # what is done in one chunk needs no bar
        for done in walk(plan, values, out, chunk):
            if done < len(values) and not slow:
                slow = True
                bar.on_predict_begin()
            if slow and bar.verbose != 0:
                bar.on_chunk_end(-(-done // batch), -(-len(values) // batch), {})
        if slow:
            bar.on_predict_end()
    finally:
        bar.close()
    return out


def _predict_rows(plan: Plan, values: Any, out: Any, chunk: int) -> Iterator[int]:
    """Outputs of all rows, some at a time, `chunk` at first; how many are done."""
    unit = plan.rows if plan.stateful else 1
    most = values.most(unit, None) * unit if isinstance(values, Mapped) else len(values)
    done, count = 0, min(chunk, most)
    while done < len(values):
        part = slice(done, min(done + count, len(values)))
        began = time.perf_counter()
        plan.begin()
        plan.native.predict(plan.arrange(take(values, part)), listed(out[part]))
        plan.end()
        took = max(time.perf_counter() - began, 1e-6)
        done = part.stop
        # Each end of a chunk is waited for by all threads, so chunks are as long as the bar allows.
        count = int(np.clip(count * CHUNK_SECONDS / took, 1, min(8 * count, most)))
        count = max(unit, count // unit * unit)
        yield done


def train_on_batch(
    model: Model, x: Any, y: Any, sample_weight: Any, class_weight: dict[int, float] | None
) -> dict[str, float]:
    """One step on one batch; see `Model.train_on_batch`."""
    model.require_compiled("train_on_batch")
    data = Data(model, x, y, sample_weight, class_weight, "train on")
    batches.size(model, len(data), len(data), "train_on_batch")
    plan = model.plan_for(data.x, rows=len(data), training=True, loss=True, stateful=True)
    scores = Scores(model, data)
    _train_chunk(
        model, plan, data, np.arange(len(data)), len(data), model.native_optimizer(),
        seeds.draw_seed(), scores,
    )  # fmt: skip
    return scores.logs()


def first_chunk(plan: Plan, batch: int, steps: int | None = None) -> int:
    """Batches of so many steps (None: the plan's) for about `CHUNK_SECONDS`, by arithmetic."""
    flops = plan.flops * (steps or plan.steps) / plan.steps
    return max(1, int(CHUNK_SECONDS * 1e10 / max(3 * batch * flops, 1e4)))


def _split(model: Model, data: Data, share: float, given: Any) -> tuple[Data, Data | None]:
    """Training data and validation data: given, or the last share of the rows as Keras does."""
    if given is not None:
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            size = f" of {len(given)}" if hasattr(given, "__len__") else ""
            raise OptionError(
                "fit expected validation_data to be (x, y) or (x, y, sample_weight), got "
                f"{type(given).__name__}{size}. Pass them as a tuple."
            )
        x, y, *weight = given
        return data, Data(model, x, y, weight[0] if weight else None, what="validate")
    if not isinstance(share, int | float) or not 0 <= share < 1:
        raise OptionError(
            f"fit expected validation_split in [0, 1), got {share!r}. Use e.g. 0.2 for the last "
            "fifth of the rows."
        )
    if share == 0:
        return data, None
    kept = int(len(data) * (1 - share))
    if kept == 0 or kept == len(data):
        raise DataError(
            f"fit expected validation_split={share} to leave rows on both sides, got {len(data)} "
            "rows. Use more data or another share."
        )
    return data.part(slice(0, kept)), data.part(slice(kept, None), held_out=True)
