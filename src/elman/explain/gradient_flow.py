"""How far the gradient reaches: its norm at every step, from the last back to the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.checks import prepared_alike
from elman.errors import unknown_name
from elman.explain import plots
from elman.explain.as_text import as_text
from elman.explain.trace import NoSuchName, recurrent, require_room
from elman.plan import require_single
from elman.samples import Data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from elman.models import Model

Array = np.ndarray[Any, np.dtype[Any]]

#: A gradient below this share of its maximum no longer teaches anything.
FAINT = 0.01
#: One that grows by this much from the last step to the first explodes.
EXPLODED = 100.0


class StateFlow:
    """The gradient of the loss with respect to one state of one layer, at each step.

    Attributes:
        name: such as `lstm/state`.
        gradient: dLoss/dh_t [rows, steps, units], in the order of the layer's input. It counts
            everything that h_t does from then on: as the layer's output, and in later steps.
        norms: [steps], its norm over rows and units.
        reach: how many steps before the last one processed the farthest lies at which the norm
            is still 1 % of its maximum.
        factor: what the norm is multiplied by from step to step on the way back, in the
            geometric mean.
        verdict: "vanishes" if less than 1 % of the maximum is left at the first step, "explodes" if
            the norm is over 100 times larger there than at the last, else "steady"; "none" if
            there is no gradient at all, "not finite" if it has overflowed.
    """

    def __init__(self, name: str, gradient: Array, backwards: bool) -> None:
        self.name = name
        self.gradient = gradient
        gradient.flags.writeable = False
        self.norms: Array = np.sqrt(np.square(gradient, dtype=np.float64).sum(axis=(0, 2)))
        #: The same in the order of the way back: the last step processed comes first.
        self.back: Array = self.norms if backwards else self.norms[::-1]
        there = np.flatnonzero(self.back)
        self.verdict, self.reach, self.factor = "none", 0, 0.0
        if not np.isfinite(self.norms).all():
            self.verdict = "not finite"
            return
        if not len(there):
            return
        near, far = there[0], there[-1]
        strong = self.back >= FAINT * self.back.max()
        self.reach = int(np.flatnonzero(strong)[-1])
        self.factor = float((self.back[far] / self.back[near]) ** (1 / max(far - near, 1)))
        exploded = self.back[-1] > EXPLODED * self.back[near]
        self.verdict = "explodes" if exploded else "steady" if strong[-1] else "vanishes"

    def __str__(self) -> str:
        steps = len(self.back) - 1
        if self.verdict == "none":
            return f"{self.name}: the loss does not depend on this state"
        if self.verdict == "not finite":
            return f"{self.name}: the gradient is not finite; weights, or states, have overflowed"
        left = self.back[-1] / self.back.max()
        return (
            f"{self.name} {self.verdict}: the gradient reaches {self.reach} of {steps} steps back, "
            f"times {self.factor:.3g} per step; {left:.2g} of its maximum is left at the first"
        )


class GradientFlow(Mapping[str, StateFlow]):
    """A `StateFlow` for every state of every recurrent layer; `print` it for a table.

    Attributes:
        loss: of the batch.
    """

    def __init__(self, label: str, loss: float, flows: list[StateFlow]) -> None:
        self.loss = loss
        self._label = label
        self._flows = {flow.name: flow for flow in flows}

    def __getitem__(self, name: str) -> StateFlow:
        if name not in self._flows:
            raise NoSuchName(
                str(unknown_name(f"gradient flow of {self._label}", "state", name, self._flows))
            )
        return self._flows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._flows)

    def __len__(self) -> int:
        return len(self._flows)

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the norms on a logarithmic axis; a dot marks how far each reaches.

        Args:
            path: where to save the picture (.png, .svg, .pdf) too.

        Returns:
            a `matplotlib.figure.Figure`. Needs no display.

        Raises:
            MissingPackageError: matplotlib is not installed.
        """
        figure = plots.new_figure(7.5, 3.6)
        axis = figure.subplots()
        plot_flows(axis, {name: flow for name, flow in self.items()})
        return plots.saved(figure, path)

    def __repr__(self) -> str:
        if not self:
            return f"{self._label} has no recurrent layer: no gradient flows through time."
        from rich.table import Table

        table = Table(
            title=f"Gradient of the loss ({self.loss:.4g}) with respect to each state",
            title_justify="left",
            title_style="bold",
        )
        table.add_column("State", overflow="fold")
        for heading in ("at last", "at first", "per step", "reach"):
            table.add_column(heading, justify="right")
        table.add_column("verdict")
        for name, flow in self.items():
            table.add_row(
                name, f"{flow.back[0]:.3g}", f"{flow.back[-1]:.3g}", f"x {flow.factor:.3g}",
                f"{flow.reach} of {len(flow.back) - 1}", flow.verdict,
            )  # fmt: skip
        return as_text(table)


def gradient_flow(model: Model, x: Any, y: Any, sample_weight: Any = None) -> GradientFlow:
    """Follow the gradient back through time; see `Model.gradient_flow`."""
    require_single(model, "gradient_flow", "Make a Model of one of its paths, and look into that.")
    model.require_compiled("gradient_flow")
    prepared_alike(model.prepared, x, model.label)
    data = Data(model, x, y, sample_weight, what="follow a gradient")
    # The way back holds about as much again as the trace, and each gradient beside its value.
    require_room(model, data.x, "gradient flow", times=4)
    taken = data.take(np.arange(len(data)))
    plan = model.plan_for(data.x, rows=len(data), training=True, loss=True, keep=True)
    loss, _ = plan.native.gradients(plan.arrange(taken.x), taken.y, taken.weight, training=False)
    loss += sum(plan.native.penalties)
    end = "_gradient"
    flows = [
        StateFlow(name.removesuffix(end), plan.native.peek(name), leaf.go_backwards)
        for layer in model.layers
        for leaf in recurrent(layer)
        for name in plan.native.names
        if name.startswith(f"{leaf.path}/") and name.endswith(end)
    ]
    return GradientFlow(model.label, loss, flows)


def plot_flows(axis: Any, flows: Mapping[str, StateFlow]) -> None:
    """Norms over the steps before the last, on an axis of a picture; the words are the legend's."""
    plots.plain(axis)
    for number, (label, flow) in enumerate(flows.items()):
        colour = plots.COLOURS[number % len(plots.COLOURS)]
        style = ("-", "--", ":")[number // len(plots.COLOURS) % 3]
        shown = np.where(flow.back > 0, flow.back, np.nan)
        text = f"{label}: {flow.verdict}, reaches {flow.reach}"
        axis.plot(shown, color=colour, linestyle=style, linewidth=1.5, label=text)
        axis.plot(flow.reach, shown[flow.reach], "o", color=colour, markersize=5)
    axis.set_yscale("log")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.invert_xaxis()  # time runs to the right, as ever
    axis.set_xlabel("steps before the last", fontsize=9, color=plots.INK)
    axis.set_ylabel("norm of dLoss/dh", fontsize=9, color=plots.INK)
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.legend(fontsize=8, frameon=False)
