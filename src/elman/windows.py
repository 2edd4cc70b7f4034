"""Long sequences in windows: what may be cut, and how a batch is gone through part by part.

The plan carries its states from one window to the next, so that the parts of a sequence give the
same numbers as the whole, in memory that does not depend on its length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import OptionError
from elman.layers.layer import whole
from elman.mapped import Mapped, blocks_at_once, take
from elman.plan import require_causal, require_own_start, require_single
from elman.ragged import Ragged
from elman.scores import Outputs, Scores

if TYPE_CHECKING:
    from elman.models import Model
    from elman.plan import Plan
    from elman.samples import Data

Array = np.ndarray[Any, np.dtype[Any]]

#: Beyond so many steps, predictions walk through a sequence in windows of `WINDOW`.
LONG = 1024
WINDOW = 256
#: With `recompute="auto"` a training whose plan would take more bytes than this is recomputed.
RECOMPUTE_BYTES = 2**30


def of_steps(model: Model, data: Data, tbptt: Any) -> int | None:
    """Steps of a window of `fit(tbptt=...)`; None where one window holds it all.

    Raises:
        OptionError: the model cannot be trained window by window.
    """
    steps = whole("fit", "tbptt", tbptt)
    require_single(model, f"fit with tbptt={steps}", "Leave tbptt out.")
    require_own_start(model, f"fit with tbptt={steps}")
    if not data.timed or not data.by_step:
        raise OptionError(
            f"fit expected a model that returns something for every step with tbptt={steps}, got "
            f"outputs of shape {(None, *data.output)}. Give every recurrent layer "
            "return_sequences=True, or leave tbptt out."
        )
    require_causal(model.layers, f"fit with tbptt={steps}")
    return steps if steps < data.length else None


def check_recompute(model: Model, data: Data, recompute: Any, tbptt: Any) -> None:
    """Raise unless `fit(recompute=...)` is possible.

    Raises:
        OptionError: no such option, or the model needs whole sequences at once.
    """
    if not isinstance(recompute, bool) and recompute != "auto":
        raise OptionError(
            f"fit expected recompute to be True, False or 'auto', got {recompute!r}. Leave it out: "
            "'auto' recomputes where memory would run short."
        )
    if recompute is not True:
        return
    if tbptt is not None:
        raise OptionError(
            f"fit expected recompute or tbptt, got recompute=True and tbptt={tbptt}. Windows of "
            "tbptt already bound the memory: leave out recompute."
        )
    if not data.timed:
        raise OptionError(
            f"fit expected sequences with recompute=True, got inputs of shape {data.x.shape}. "
            "Leave recompute out: there is no time to cut."
        )
    require_single(model, "fit with recompute=True", "Leave recompute out.")
    require_own_start(model, "fit with recompute=True")
    require_causal(model.layers, "fit with recompute=True")
    for layer in model.layers:
        if layer.joins_steps:
            raise OptionError(
                f"fit with recompute=True expected layers that take step by step, got "
                f"{layer.label}, which needs the statistics of all steps first. Set its "
                "trainable=False, or leave recompute out."
            )


def segment(length: int) -> int:
    """Steps of the parts in which a sequence is recomputed.

    What a part keeps grows with its steps, what lies between parts with their number: about the
    square root of the length makes the sum small.
    """
    return max(64, -(-math.isqrt(length) // 16) * 16)


def recomputed(model: Model, data: Data, rows: int, recompute: bool | str) -> int | None:
    """Steps of the parts in which training is recomputed; None: it keeps whole sequences."""
    if recompute is False or not data.timed or data.length <= segment(data.length):
        return None
    if not can_be_cut(model) or any(layer.joins_steps for layer in model.layers):
        return None
    steps = segment(data.length)
    if recompute is True:
        return steps
    # A plan takes more than this only where a step is very wide: then one is made, to ask it.
    widths = [shape[-1] or 0 for pair in model.shapes() for shape in pair if shape is not None]
    guess = 4.0 * rows * data.length * sum(16 * width + 64 for width in widths)
    if guess <= RECOMPUTE_BYTES:
        return None
    part = model.plan_for(data.x, rows=rows, training=True, loss=True, steps=steps, stateful=True)
    return steps if part.native.bytes * data.length / steps > RECOMPUTE_BYTES else None


def for_inference(model: Model, x: Any, loss: bool = False) -> int | None:
    """Steps of the windows in which to predict for inputs; None: whole sequences."""
    if loss and any(layer.activity_regularizer is not None for layer in model.layers):
        return None  # the loss of a window is a sum of its targets only
    timed = len(x.shape) == 3 or model.tokens[0]
    if not timed or x.shape[1] <= LONG or not can_be_cut(model):
        return None
    return WINDOW


def can_be_cut(model: Model) -> bool:
    """Whether a sequence may be gone through in windows."""
    return model.single and not model.graph.begins and all(layer.causal for layer in model.layers)


def batch_sizes(rows: int, batch: int) -> Array:
    """Rows of each batch."""
    return np.diff(np.append(np.arange(0, rows, batch), rows))


def window_sizes(rows: int, window: int, first: int, last: int) -> Array:
    """Rows times steps of each window of a batch between two steps."""
    return rows * batch_sizes(last - first, window)


def predict(plan: Plan, values: Array | Mapped | Ragged, out: Array, samples: int) -> Iterator[int]:
    """Outputs of all rows in windows; yields how many rows are done.

    Args:
        values: inputs.
        out: where to write.
        samples: how many rows of one window's length to go through before looking up.
    """
    length = values.shape[1]
    for row in range(0, len(values), plan.rows):
        rows = slice(row, min(row + plan.rows, len(values)))
        plan.begin()
        steps = max(1, samples // (rows.stop - row))
        steps = min(steps, blocks_at_once(values, rows.stop - row, plan.steps))
        steps *= plan.steps
        for first in range(0, length, steps):
            last = min(first + steps, length)
            part = plan.predict(take(values, rows, first, last))
            if out.ndim == 3:
                out[rows, first:last] = part
            else:
                out[rows] = part  # of the last window, in the end
            if last == length:
                plan.end()
            yield row if last < length else rows.stop


def evaluate(model: Model, plan: Plan, data: Data, rows: Array, chunk: int, scores: Scores) -> None:
    """One batch of long sequences. Its loss is one mean, in whatever windows it is gone through.

    Args:
        chunk: how many windows to go through in one call of the engine.
    """
    plan.begin()
    total = counted = 0.0
    chunk = min(chunk, data.most(len(rows), plan.steps)) * plan.steps
    for first in range(0, data.length, chunk):
        last = min(first + chunk, data.length)
        taken = data.take(rows, first, last)
        if not data.by_step and last < data.length:  # there is no target before the end
            nowhere = plan.room(len(rows), 1)
            plan.native.predict(plan.arrange(taken.x), nowhere, taken.order, taken.steps)
            continue
        sizes = window_sizes(len(rows), plan.steps, first, last)
        outputs, counts = (
            Outputs(plan, sizes, len(rows), last - first, scores),
            np.empty(len(sizes)),
        )
        plan.native.evaluate(
            plan.arrange(taken.x), taken.y, taken.weight, len(rows), *outputs.native,
            taken.order, taken.steps, counts,
        )  # fmt: skip
        outputs.score(data, rows, first, last, losses=False)
        total += float(outputs.losses.sum())
        counted += float(counts.sum())
    plan.end()
    if model.compiled_loss().reduction != "sum":
        total /= counted + (1e-7 if plan.native.counts_targets else 0.0)
    scores.add_losses(np.array([total]), np.array([len(rows)]), plan.store.penalty())
