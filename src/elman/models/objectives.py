"""What `compile` was given, sorted by output: losses, their weights, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elman.errors import OptionError, unknown_name

if TYPE_CHECKING:
    from elman.metrics import Metric


class Objectives:
    """Losses, weights and metrics of each output.

    Args:
        names: of the outputs.
        loss: one for all outputs, a list, or a dict by name; None has none.
        loss_weights: a list, or a dict by name; 1 each where None.
        wanted: metrics: of the only output one or a list; of several a list with an entry for
            each, or a dict by name.

    Raises:
        OptionError: another number of entries than outputs, or a weight that is no number.
        UnknownNameError: no such output, loss or metric.
    """

    def __init__(self, names: Sequence[str], loss: Any, loss_weights: Any, wanted: Any) -> None:
        from elman import losses

        self.names = list(names)
        chosen = self._each("loss", loss, alike=True)
        self.losses = [None if one is None else losses.get(one) for one in chosen]
        weights = self._each("loss_weights", loss_weights)
        self.weights = [_weight(weight) for weight in weights]
        self.metrics = [_list(one) for one in self._metrics(wanted)]
        for name, own, loss_ in zip(self.names, self.metrics, self.losses, strict=True):
            for metric in own:
                checked_metric(metric)
            if own and loss_ is None and any(self.losses):
                raise OptionError(
                    f"compile expected metrics of outputs that have a loss, got some for {name!r}, "
                    "which has none. Leave them out, or give it a loss of weight 0."
                )

    @property
    def several(self) -> bool:
        """Whether there are several outputs, whose results bear their names."""
        return len(self.names) > 1

    @property
    def compared(self) -> list[int]:
        """The outputs that have a loss."""
        return [i for i, loss in enumerate(self.losses) if loss is not None]

    def _metrics(self, wanted: Any) -> list[Any]:
        if not self.several and not isinstance(wanted, dict):
            own = _list(wanted)
            # Keras takes a list of lists, one for each output, here too.
            return own if len(own) == 1 and isinstance(own[0], list | tuple) else [own]
        return self._each("metrics", wanted)

    def _each(self, option: str, given: Any, alike: bool = False) -> list[Any]:
        """An entry for each output."""
        count = len(self.names)
        if given is None:
            return [None] * count
        if isinstance(given, dict) and not (alike and "class_name" in given):
            for name in given:
                if name not in self.names:
                    raise unknown_name(f"compile({option}=...)", "output", name, self.names)
            return [given.get(name) for name in self.names]
        if isinstance(given, list | tuple):
            if len(given) != count:
                raise OptionError(
                    f"compile expected {option} with {count} entries, one for each output "
                    f"({', '.join(self.names)}), got {len(given)}. Or use a dict by name."
                )
            return list(given)
        if alike or count == 1:
            return [given] * count
        raise OptionError(
            f"compile expected {option} as a list or dict with an entry for each output "
            f"({', '.join(self.names)}), got {given!r}. Put it in a dict by name."
        )


def checked_metric(identifier: Any) -> Metric:
    """A metric by its name alone; which accuracy is meant is known when there are data."""
    from elman import metrics

    return metrics.get(identifier, loss=None, y_shape=(None, 1), output_shape=(None, 1))


def _list(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _weight(given: Any) -> float:
    if given is None:
        return 1.0
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < 1e30:
        raise OptionError(
            f"compile expected loss_weights to be finite numbers, got {given!r}. Use e.g. 0.5."
        )
    return float(given)
