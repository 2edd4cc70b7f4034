"""Everything a report tells, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from elman.errors import ElmanError
from elman.explain.report.judging import Judgement, judge
from elman.explain.report.material import Material
from elman.explain.report.replay import Replay, replay
from elman.mapped import take
from elman.plan import require_single

if TYPE_CHECKING:
    from elman.explain.gates import GateStatistics
    from elman.explain.gradient_flow import GradientFlow
    from elman.explain.ledger import Ledger
    from elman.models import Model

Array = np.ndarray[Any, np.dtype[Any]]
Found = TypeVar("Found")

#: So many rows, spread over all, say enough of gates and gradients.
ROWS = 100


@dataclass
class Findings:
    """What was found of a model on some data."""

    model: Model
    given: Material
    line: str  #: the architecture
    rows: int
    steps: int | None
    judged: Judgement
    epochs: list[int]
    curves: dict[str, list[float]]
    replay: Replay
    flow: GradientFlow | None
    flow_rows: int
    gates: GateStatistics | None
    gate_rows: int
    ledger: Ledger


def gather(model: Model, given: Material) -> Findings:
    """Run the model over the data in every way that a report tells of.

    Raises:
        NotReadyError: the model is not compiled.
        ElmanError: data and model do not fit together.
    """
    require_single(model, "report", "Make a Model of one of its paths, and look into that.")
    model.require_compiled("report")
    x = model.check_inputs(given.x)
    judged = judge(model, given)
    timed = x.ndim == 3 or model.tokens[0]
    y = np.asarray(given.y)

    def flow_of(rows: Array) -> GradientFlow:
        some = take(x, rows)  # of sequences of unequal length the longest ones may not be in it
        return model.gradient_flow(some, y[rows][:, : some.shape[1]] if judged.by_step else y[rows])

    flow, flow_rows = _fitting(len(x), flow_of)
    gates, gate_rows = _fitting(len(x), lambda rows: model.trace(take(x, rows)).statistics())
    history = model.history
    curves = {} if history is None else history.history
    return Findings(
        model,
        given,
        _line(model),
        len(x),
        x.shape[1] if timed else None,
        judged,
        [] if history is None else list(history.epoch),
        {name: values for name, values in curves.items() if values and np.ndim(values) == 1},
        replay(model, x, judged),
        flow or None,
        flow_rows,
        gates or None,
        gate_rows,
        model.ledger(steps=x.shape[1] if timed else None),
    )


def _fitting(rows: int, make: Callable[[Array], Found]) -> tuple[Found | None, int]:
    """What is made of some rows spread over all, of fewer where it would take too much memory."""
    count = min(rows, ROWS)
    while count:
        try:
            return make(np.linspace(0, rows - 1, count).astype(np.int64)), count
        except ElmanError:
            count //= 4
    return None, 0


def _line(model: Model) -> str:
    from elman.spec import write

    try:
        return write(model)
    except ElmanError:  # an option that a line has no words for
        return " > ".join(layer.name for layer in model.layers)
