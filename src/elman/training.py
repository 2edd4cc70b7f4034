"""The loop: order, chunks of batches, metrics, callbacks. Python sees chunks, never time steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from elman import _core, checks, seeds
from elman.callbacks import Callback, CallbackList, History
from elman.errors import DataError, OptionError
from elman.layers.layer import whole
from elman.progress import ProgressBar

if TYPE_CHECKING:
    from elman.metrics import Metric
    from elman.models import Sequential
    from elman.plan import Plan

Array = np.ndarray[Any, np.dtype[Any]]

#: Native work between two looks at the clock, the keyboard and the progress bar, in seconds.
CHUNK_SECONDS = 0.1


class Data:
    """Checked arrays, and the names by which the engine takes them."""

    def __init__(
        self,
        model: Sequential,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        what: str = "fit",
    ) -> None:
        self.x = model.check_inputs(x)
        if not len(self.x):
            raise DataError(
                f"{model.label} expected at least one sample to {what}, got none. Check the data."
            )
        output = model.output_of(self.x)
        self.y = checks.targets(y, len(self.x), output, model.compiled_loss(), model.label)
        self.weight = checks.weights(sample_weight, class_weight, self.y, output, model.label)
        self.output = output
        #: The weight of what is held out of these rows: Keras weighs classes in training only.
        self.weight_held_out = self.weight
        if class_weight is not None:
            self.weight_held_out = checks.weights(sample_weight, None, self.y, output, model.label)

    def __len__(self) -> int:
        return len(self.x)

    def part(self, rows: slice, held_out: bool = False) -> Data:
        """Some of the rows, to train on or held out."""
        found = object.__new__(Data)
        found.x, found.y, found.output = self.x[rows], self.y[rows], self.output
        weight = self.weight_held_out if held_out else self.weight
        found.weight = found.weight_held_out = None if weight is None else weight[rows]
        return found

    @property
    def native_y(self) -> Array:
        """Targets as [n, numbers per sample]."""
        return self.y.reshape(len(self.y), -1)


class Scores:
    """The loss, averaged over batches as Keras does, and the metrics."""

    def __init__(self, model: Sequential, data: Data) -> None:
        self.model = model
        self.metrics: list[Metric] = model.compiled_metrics(data.y.shape, data.output)
        # A metric that cannot take these targets says so now, not after the first batches.
        for metric in self.metrics:
            metric.update_state(data.y[:1], np.full((1, *data.output), 0.5, np.float32))
        self.reset()

    def reset(self) -> None:
        """Start again."""
        self._loss = 0.0
        self._rows = 0
        for metric in self.metrics:
            metric.reset_state()

    def update(
        self, losses: Array, sizes: Array, y: Array, predicted: Array, mask: Array | None
    ) -> None:
        """Take in some batches."""
        self._loss += float(losses @ sizes)
        self._rows += int(sizes.sum())
        for metric in self.metrics:
            metric.update_state(y, predicted, mask)

    def logs(self) -> dict[str, float]:
        """The values by name."""
        values = {metric.name: metric.result() for metric in self.metrics}
        return {**values, "loss": self._loss / max(self._rows, 1)}


class Outputs:
    """Room for what the engine hands back for a run of batches: losses, and what metrics want."""

    def __init__(self, plan: Plan, rows: int, batch: int, scores: Scores) -> None:
        count = -(-rows // batch)
        self.scores = scores
        self.losses = np.empty(count)
        self.sizes = np.full(count, batch)
        self.sizes[-1] = rows - batch * (count - 1)
        wanted = bool(scores.metrics)
        self.y = np.empty((rows if wanted else 0, *plan.output_shape), np.float32)
        self.mask = np.empty((rows, plan.output_shape[0]), np.float32) if plan.masked else None
        #: As the engine takes them: where to write, or nothing.
        self.native = (self.y if wanted else None, self.mask, self.losses)

    def score(self, y: Array) -> None:
        """Hand them to the scores, with the targets they belong to."""
        self.scores.update(self.losses, self.sizes, y, self.y, self.mask)


def fit(
    model: Sequential,
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
) -> History:
    """Train a model; see `Sequential.fit`."""
    batch = whole("fit", "batch_size", 32 if batch_size is None else batch_size)
    epochs = whole("fit", "epochs", epochs, 0)
    initial_epoch = whole("fit", "initial_epoch", initial_epoch, 0)
    model.require_compiled("fit")
    data = Data(model, x, y, sample_weight, class_weight)
    data, held_out = _split(model, data, validation_split, validation_data)
    batches = -(-len(data) // batch)
    scores = Scores(model, data)
    history = History()
    bar = ProgressBar(verbose)
    watchers = CallbackList([callbacks, history, bar])
    # All is checked. From here on the model changes.
    plan = model.plan_for(data.x, rows=min(batch, len(data)), training=True, loss=True)
    watchers.set_model(model)
    watchers.set_params({"epochs": epochs, "steps": batches, "verbose": verbose})
    model.stop_training = False
    model.history = history
    optimizer = model.native_optimizer()
    assert model.optimizer is not None

    logs: dict[str, float] = {}
    chunk = 1 if watchers.wants_batches else _first_chunk(plan, batch)
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
            while done < batches and not model.stop_training:
                count = min(chunk, batches - done)
                began = time.perf_counter()
                if watchers.wants_batches:
                    watchers.on_train_batch_begin(done)
                part = order[done * batch : (done + count) * batch]
                _train_chunk(model, plan, data, part, batch, optimizer, seed, scores)
                done += count
                if watchers.wants_batches:
                    watchers.on_train_batch_end(done - 1, scores.logs())
                else:
                    took = max(time.perf_counter() - began, 1e-6)
                    chunk = int(np.clip(count * CHUNK_SECONDS / took, 1, 2 * count + 1))
                if watchers.wants_chunks:
                    watchers.on_chunk_end(done, batches, scores.logs())
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
    model: Sequential,
    plan: Plan,
    data: Data,
    order: Array,
    batch: int,
    optimizer: _core.Optimizer,
    seed: int,
    scores: Scores,
) -> None:
    assert model.optimizer is not None
    count = -(-len(order) // batch)
    first = model.optimizer.iterations
    rates = np.ascontiguousarray(model.optimizer.learning_rates(first, count), np.float32)
    outputs = Outputs(plan, len(order), batch, scores)
    optimizer.iterations = first
    plan.native.train(
        plan.arrange(data.x), data.native_y, data.weight, order, min(batch, plan.rows), seed,
        optimizer, rates, *outputs.native,
    )  # fmt: skip
    model.optimizer.iterations = optimizer.iterations
    outputs.score(data.y[order] if scores.metrics else data.y[:0])


def evaluate(
    model: Sequential,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: int | str,
    sample_weight: Any,
) -> dict[str, float]:
    """Loss and metrics by name; see `Sequential.evaluate`."""
    batch = whole("evaluate", "batch_size", 32 if batch_size is None else batch_size)
    model.require_compiled("evaluate")
    data = Data(model, x, y, sample_weight, None, "evaluate")
    bar = ProgressBar(verbose)
    try:
        bar.on_test_begin()
        scores = _evaluate(model, data, batch, bar)
        bar.on_test_end(scores.logs())
    finally:
        bar.close()
    return scores.logs()


def _validate(
    model: Sequential, data: Data, batch: int, watchers: CallbackList
) -> dict[str, float]:
    watchers.on_test_begin()
    logs = _evaluate(model, data, batch, None, watchers).logs()
    watchers.on_test_end(logs)
    return {f"val_{name}": value for name, value in logs.items()}


def _evaluate(
    model: Sequential,
    data: Data,
    batch: int,
    bar: ProgressBar | None,
    watchers: CallbackList | None = None,
) -> Scores:
    scores = Scores(model, data)
    plan = model.plan_for(data.x, rows=min(batch, len(data)), loss=True)
    batches = -(-len(data) // batch)
    by_batch = watchers if watchers is not None and watchers.wants_test_batches else None
    chunk = 1 if by_batch else _first_chunk(plan, batch)
    for done in range(0, batches, chunk):
        if by_batch:
            by_batch.on_test_batch_begin(done)
        part = data.part(slice(done * batch, (done + chunk) * batch))
        outputs = Outputs(plan, len(part), batch, scores)
        plan.native.evaluate(
            plan.arrange(part.x), part.native_y, part.weight, min(batch, plan.rows),
            *outputs.native,
        )  # fmt: skip
        outputs.score(part.y)
        if by_batch:
            by_batch.on_test_batch_end(done, scores.logs())
        if bar is not None and bar.verbose != 0:
            bar.on_chunk_end(done + len(outputs.losses), batches, scores.logs())
    return scores


def predict(model: Sequential, x: Any, batch_size: int | None, verbose: int | str) -> Array:
    """Outputs for inputs; see `Sequential.predict`."""
    batch = whole("predict", "batch_size", 32 if batch_size is None else batch_size)
    values = model.check_inputs(x)
    # The engine goes through the samples in pieces that suit it, whatever the batch size.
    plan = model.plan_for(values, rows=min(max(len(values), 1), 32 * _core.threads()))
    out = np.empty((len(values), *plan.output_shape), np.float32)
    chunk = _first_chunk(plan, batch) * batch
    if len(values) <= chunk:
        plan.native.predict(plan.arrange(values), out)
        return out
    bar = ProgressBar(verbose)
    try:
        bar.on_predict_begin()
        for first in range(0, len(values), chunk):
            part = slice(first, first + chunk)
            plan.native.predict(plan.arrange(values[part]), out[part])
            if bar.verbose != 0:
                done = min(part.stop, len(values))
                bar.on_chunk_end(-(-done // batch), -(-len(values) // batch), {})
        bar.on_predict_end()
    finally:
        bar.close()
    return out


def train_on_batch(
    model: Sequential, x: Any, y: Any, sample_weight: Any, class_weight: dict[int, float] | None
) -> dict[str, float]:
    """One step on one batch; see `Sequential.train_on_batch`."""
    model.require_compiled("train_on_batch")
    data = Data(model, x, y, sample_weight, class_weight, "train on")
    plan = model.plan_for(data.x, rows=len(data), training=True, loss=True)
    scores = Scores(model, data)
    _train_chunk(
        model, plan, data, np.arange(len(data)), len(data), model.native_optimizer(),
        seeds.draw_seed(), scores,
    )  # fmt: skip
    return scores.logs()


def _first_chunk(plan: Plan, batch: int) -> int:
    """Batches for about `CHUNK_SECONDS`, guessed from the arithmetic of the plan."""
    return max(1, int(CHUNK_SECONDS * 1e10 / max(3 * batch * plan.flops, 1e4)))


def _split(model: Sequential, data: Data, share: float, given: Any) -> tuple[Data, Data | None]:
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
