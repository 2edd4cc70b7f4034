"""The loop: order, chunks of batches, metrics, callbacks. Python sees chunks, never time steps.

A batch is gone through at once, or window by window where sequences are long: `windows.py`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from elman import _core, batches, checks, diverged, seeds, windows
from elman.callbacks import Callback, CallbackList, History
from elman.errors import DataError, OptionError
from elman.layers.layer import whole
from elman.mapped import arrays_of, blocks_at_once, in_file, joined, take, together
from elman.plan import listed
from elman.progress import ProgressBar
from elman.ragged import Ragged
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
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | Collection[int] = 1,
    tbptt: int | None = None,
    recompute: bool | str = "auto",
) -> History:
    """Train a model; see `Model.fit`."""
    epochs = whole("fit", "epochs", epochs, 0)
    initial_epoch = whole("fit", "initial_epoch", initial_epoch, 0)
    model.require_compiled("fit")
    data = Data(model, x, y, sample_weight, class_weight)
    checks.prepared_alike(getattr(x, "model_prepared", None), validation_data, model.label)
    data, held_out = _split(model, data, validation_split, validation_data)
    batch = batches.size(model, len(data), batch_size, "fit")
    val_batch = batch
    if validation_batch_size is not None:
        val_batch = whole("fit", "validation_batch_size", validation_batch_size)
    if held_out is not None:
        held_out = _first_batches(held_out, val_batch, "fit", "validation_steps", validation_steps)
        batches.check_held_out(model, len(held_out), val_batch, batch)
    if shuffle and model.stateful:
        batches.warn_of_shuffling(model)
    _check_frequency(validation_freq)
    windows.check_recompute(model, data, recompute, tbptt)
    window = None if tbptt is None else windows.of_steps(model, data, tbptt)
    per_batch = 1 if window is None else -(-data.length // window)
    runs = -(-len(data) // batch) * per_batch  # batches, or windows of them
    per_epoch = runs
    if steps_per_epoch is not None:
        per_epoch = whole("fit", "steps_per_epoch", steps_per_epoch) * per_batch
    scores = Scores(model, data)
    history = History()
    watchers = CallbackList([callbacks, history])
    if watchers.progress is None:  # unless somebody brought a bar
        watchers.progress = ProgressBar(verbose)
        watchers.append(watchers.progress)
    bar = watchers.progress
    # All is checked. From here on the model changes.
    rows = min(batch, len(data))
    cut = window if tbptt is not None else windows.recomputed(model, data, rows, recompute)
    plan = model.plan_for(data.x, rows=rows, training=True, loss=True, steps=cut, stateful=True)
    plan.native.recomputes = cut is not None and window is None
    watchers.set_model(model)
    watchers.set_params({"epochs": epochs, "steps": per_epoch, "verbose": verbose})
    model.stop_training = False
    model.history = history
    # How `elman.data.Sequences` were made is how whatever the model is asked later must be made.
    model.prepared = getattr(x, "model_prepared", None) or model.prepared
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
    last = runs
    try:
        for epoch in range(initial_epoch, epochs):
            scores.reset()
            watchers.on_epoch_begin(epoch)
            if last == runs:  # else an epoch goes on where the one before it ended
                last, order = 0, np.arange(len(data))
                if shuffle:
                    seeds.generator().shuffle(order)
            # A run of batches that is cut into other chunks must draw the same numbers.
            seed = seeds.draw_seed()
            done = first = last
            last = min(first + per_epoch, runs)
            if last - first < per_epoch:
                warnings.warn(
                    f"fit ended an epoch after {last - first} of {per_epoch} steps: the data ran "
                    "out. Leave steps_per_epoch out, or let it divide the number of batches.",
                    stacklevel=3,
                )
            while done < last and not model.stop_training:
                # Windows of one batch have the same rows; other chunks are whole batches.
                walked = 0 if window is None else done % per_batch
                count = min(chunk, last - done if window is None else per_batch - walked)
                began = time.perf_counter()
                if watchers.wants_batches:
                    watchers.on_train_batch_begin(done - first)
                at = done // per_batch * batch
                part = order[at : at + (count * batch if window is None else batch)]
                steps = None
                if window is not None:
                    steps = walked * window, min((walked + count) * window, data.length)
                made, loss = _train_chunk(
                    model, plan, data, part, batch, optimizer, seed, scores, steps
                )
                failed = made < count
                done += made + failed
                if watchers.wants_batches:
                    watchers.on_train_batch_end(done - first - 1, scores.logs())
                else:
                    took = max(time.perf_counter() - began, 1e-6)
                    chunk = int(np.clip(count * CHUNK_SECONDS / took, 1, min(2 * count + 1, most)))
                if watchers.wants_chunks:
                    watchers.on_chunk_end(done - first, per_epoch, scores.logs())
                # A callback that looks for this has had its say, and may have stopped quietly.
                if failed and not model.stop_training:
                    number = done - first
                    place = f" in epoch {epoch + 1} of {epochs}, batch {number} of {per_epoch}"
                    raise diverged.error(model, plan, loss, "fit", epoch, number - 1, place)
            # Steps that a row missed differ in the last bit when they are made good in two pieces.
            # So that it does not matter who looks at the weights now, all of them are.
            optimizer.catch_up()
            results = scores.logs()
            if held_out is not None and _validates(epoch, validation_freq):
                results.update(_validate(model, held_out, val_batch, watchers))
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
) -> tuple[int, float]:
    """How many steps were made, and the loss of the last one, or of the one that failed."""
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
    made = plan.native.train(
        plan.arrange(taken.x), taken.y, taken.weight, taken.order, min(batch, plan.rows), seed,
        optimizer, rates, *outputs.native, taken.steps,
    )  # fmt: skip
    plan.end()
    model.optimizer.iterations = optimizer.iterations
    if made < len(sizes):  # there are no outputs of what follows
        scores.add_losses(outputs.losses, sizes, outputs.penalties)
        # That the gradients are not finite shows in the next loss only, which there is none of.
        scores.add_losses(np.array([np.nan]), np.array([0]))
    else:
        outputs.score(data, order, *(steps or ()))
    return made, float(outputs.totals()[min(made, len(sizes) - 1)])


def evaluate(
    model: Model,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: int | str,
    sample_weight: Any,
    steps: int | None = None,
    callbacks: list[Callback] | None = None,
) -> dict[str, float]:
    """Loss and metrics by name; see `Model.evaluate`."""
    model.require_compiled("evaluate")
    checks.prepared_alike(model.prepared, x, model.label)
    data = Data(model, x, y, sample_weight, None, "evaluate")
    batch = batches.size(model, len(data), batch_size, "evaluate")
    data = _first_batches(data, batch, "evaluate", "steps", steps)
    bar = ProgressBar(verbose)
    watchers = _watchers(model, callbacks, -(-len(data) // batch), verbose)
    try:
        watchers.on_test_begin()
        bar.on_test_begin()
        scores = _evaluate(model, data, batch, bar, watchers)
        bar.on_test_end(scores.logs())
        watchers.on_test_end(scores.logs())
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
    window = windows.for_inference(model, data.x, loss=True)
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


def predict(
    model: Model,
    x: Any,
    batch_size: int | None,
    verbose: int | str,
    steps: int | None = None,
    callbacks: list[Callback] | None = None,
) -> Any:
    """Outputs for inputs; see `Model.predict`."""
    checks.prepared_alike(model.prepared, x, model.label)
    values = model.check_inputs(x)
    batch = batches.size(model, len(values), batch_size, "predict")
    if steps is not None:
        values = values[slice(0, whole("predict", "steps", steps) * batch)]
    if callbacks is None:
        return _predict(model, values, batch, verbose)
    watchers = _watchers(model, callbacks, -(-len(values) // batch), verbose)
    watchers.on_predict_begin()
    if not watchers.wants_predict_batches:
        out = _predict(model, values, batch, verbose)
    else:
        parts = [slice(first, first + batch) for first in range(0, len(values), batch)]
        made = []
        for number, part in enumerate(parts):
            watchers.on_predict_batch_begin(number)
            made.append(_predict(model, values[part], batch, 0))
            outputs = model.handed_out(made[-1])
            watchers.on_predict_batch_end(number, {"outputs": outputs})
        if made and isinstance(made[0], list):
            out = [row for part in made for row in part]
        else:
            out = joined(made) if made else _predict(model, values, batch, 0)
    watchers.on_predict_end()
    return out


def _predict(model: Model, values: Any, batch: int, verbose: int | str) -> Any:
    """Outputs of all rows; a list where there is one for every step of unequal sequences."""
    if not isinstance(values, Ragged):
        return _predict_in_order(model, values, batch, verbose)
    # Rows of like length go together, so that few steps of a batch are nobody's; unless row i of a
    # batch goes on from row i of the batch before.
    order = np.arange(len(values))
    if not model.stateful:
        order = np.argsort(-values.lengths, kind="stable")
    made = arrays_of(_predict_in_order(model, values, batch, verbose, order))
    found = [_in_place(one, order) for one in made]
    return together([values.split(one) if one.ndim == 3 else one for one in found])


def _in_place(found: Array, order: Array) -> Array:
    """Outputs that were made in an order, as the rows stand."""
    out = np.empty_like(found)
    out[order] = found
    return out


def _predict_in_order(
    model: Model,
    values: Any,
    batch: int,
    verbose: int | str,
    order: Array | None = None,
) -> Any:
    """Outputs of all rows, in this order where one is given, by a bar where it takes long."""
    window = windows.for_inference(model, values)
    # The engine goes through the samples in pieces that suit it, unless states go on between them.
    rows = batch if model.stateful else min(max(len(values), 1), 32 * _core.threads())
    plan = model.plan_for(values, rows=rows, steps=window, stateful=True)
    out = plan.room(len(values), values.shape[1])
    if not len(values):
        return out
    chunk = first_chunk(plan, batch) * batch
    if window is None and len(values) <= chunk and not in_file(values):
        plan.begin()
        plan.native.predict(plan.arrange(values), listed(out), order)
        plan.end()
        return out
    bar = ProgressBar(verbose)
    try:
        if window is not None:
            walk = windows.predict(plan, values if order is None else values[order], out, chunk)
        else:
            walk = _predict_rows(plan, values, out, chunk, order)
        slow = False  # what is done in one chunk needs no bar
        for done in walk:
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


def _predict_rows(
    plan: Plan, values: Any, out: Any, chunk: int, order: Array | None = None
) -> Iterator[int]:
    """Outputs of all rows, some at a time, `chunk` at first; how many are done."""
    unit = plan.rows if plan.stateful else 1
    mapped = in_file(values)
    limit = blocks_at_once(values, unit, None) * unit if mapped else len(values)
    done, count = 0, min(chunk, limit)
    while done < len(values):
        part = slice(done, min(done + count, len(values)))
        began = time.perf_counter()
        plan.begin()
        if order is None or mapped:
            some = part if order is None else order[part]
            plan.native.predict(plan.arrange(take(values, some)), listed(out[part]))
        else:
            plan.native.predict(plan.arrange(values), listed(out[part]), order[part])
        plan.end()
        took = max(time.perf_counter() - began, 1e-6)
        done = part.stop
        # Each end of a chunk is waited for by all threads, so chunks are as long as the bar allows.
        count = int(np.clip(count * CHUNK_SECONDS / took, 1, min(8 * count, limit)))
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
    made, loss = _train_chunk(
        model, plan, data, np.arange(len(data)), len(data), model.native_optimizer(),
        seeds.draw_seed(), scores,
    )  # fmt: skip
    if not made:
        raise diverged.error(model, plan, loss, "train_on_batch", 0, 0, "")
    return scores.logs()


def first_chunk(plan: Plan, batch: int, steps: int | None = None) -> int:
    """Batches of so many steps (None: the plan's) for about `CHUNK_SECONDS`, by arithmetic."""
    flops = plan.flops * (steps or plan.steps) / plan.steps
    return max(1, int(CHUNK_SECONDS * 1e10 / max(3 * batch * flops, 1e4)))


def _watchers(
    model: Model, callbacks: list[Callback] | None, steps: int, verbose: int | str
) -> CallbackList:
    """The callbacks of a run that does not train."""
    watchers = CallbackList(callbacks)
    if callbacks is not None:
        watchers.set_model(model)
        watchers.set_params({"epochs": 1, "steps": steps, "verbose": verbose})
    return watchers


def _first_batches(data: Data, batch: int, who: str, option: str, steps: int | None) -> Data:
    """The data, or so many batches of it."""
    if steps is None:
        return data
    return data.part(slice(0, whole(who, option, steps) * batch))


def _check_frequency(freq: Any) -> None:
    if isinstance(freq, list | tuple | set):
        good = all(isinstance(epoch, int) for epoch in freq)
    else:
        good = isinstance(freq, int) and freq >= 1
    if not good:
        raise OptionError(
            f"fit expected validation_freq to be a whole number >= 1 or a list of epochs, got "
            f"{freq!r}. Use e.g. 2 for every second epoch."
        )


def _validates(epoch: int, freq: int | Collection[int]) -> bool:
    """Whether to validate after an epoch, which counts from 0; `freq` counts from 1."""
    return (epoch + 1) % freq == 0 if isinstance(freq, int) else epoch + 1 in freq


def _split(model: Model, data: Data, share: float, given: Any) -> tuple[Data, Data | None]:
    """Training data and validation data: given, or the last share of the rows as Keras does."""
    if hasattr(given, "model_targets"):
        return data, Data(model, given, None, what="validate")
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
