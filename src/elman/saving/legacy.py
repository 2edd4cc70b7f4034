"""An older .h5 file: the arrays by the names of layers and weights, the config as attributes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import FileError
from elman.layers import GRU, LSTM, Activation, Recurrent
from elman.layers.layer import Layer, Param
from elman.saving import cudnn, spellings
from elman.saving.config import Config
from elman.saving.tensors import Array
from elman.saving.weights import Numbered, order

if TYPE_CHECKING:
    from elman.models import Model

WEIGHTS, OPTIMIZER = "model_weights", "optimizer_weights"

#: What Keras 2 called what an optimizer keeps for each weight.
SHORT: dict[str, tuple[str, ...]] = {
    "momentum": ("m", "momentum"),
    "velocity": ("v", "rms", "velocity"),
    "velocity_hat": ("vhat",),
    "average_gradient": ("mg", "average_gradient"),
}
#: Keras 2's hard_sigmoid is 0.2 x + 0.5 between 0 and 1, Keras 3's x / 6 + 0.5: the same function
#: where x is so much larger.
STRETCH = 1.2


class Named(Numbered):
    """The arrays of an older file, in the layouts of today.

    Args:
        content, where, who: see `Tensors`.
    """

    def __init__(self, content: bytes, where: str, who: str) -> None:
        super().__init__(content, where, who)
        self._root = f"{WEIGHTS}/" if self.count(WEIGHTS) is not None else ""
        # A file that does not say is from Keras 1, or written by hand as those were.
        self._before_3 = (self.attribute("keras_version") or "")[:1] < "3"
        self._places: dict[str, tuple[Layer, Param]] = {}
        self._turned: set[str] = set()
        self._stretched: set[str] = set()

    @property
    def older(self) -> bool:
        """Whether it is such a file; else Keras 3 wrote it, as a .weights.h5."""
        return any(self.has(a) for a in ("model_config", "layer_names", "layer_names0"))

    def model(self) -> Config:
        """The config of the model, as in a config.json of today.

        Raises:
            FileError: there is none, or it is no text of a model.
        """
        written = self.json("model_config")
        if written is None:
            raise FileError(
                f"{self.who} expected a whole model, got weights without one in {self.where}. "
                "Build the model in code and call load_weights."
            )
        training = self.json("training_config")
        return {
            **spellings.model(written, self._reset_after),
            "compile_config": None if training is None else spellings.compiled(training),
        }

    def _reset_after(self, layer: Any, units: Any) -> bool:
        """Whether a GRU has two biases per gate, which its form with one does not need."""
        biases = [p for p in self.datasets(f"{self._root}{layer}") if _last(p) == "bias"]
        return isinstance(units, int) and any(self.shape(p) != (3 * units,) for p in biases)

    # -- weights ----------------------------------------------------------------------------------

    def paths(
        self, group: str, layer: Layer, params: list[list[Param]]
    ) -> dict[str, tuple[int, ...]]:
        if self._before_3:
            self._check_activation(layer)
        inside = self.datasets(f"{self._root}{layer.name}")
        wanted: dict[str, tuple[int, ...]] = {}
        for leaf, own in zip(layer.leaves(), params, strict=True):
            found = {p.name: self._find_one(inside, layer, leaf, p) for p in own}
            turned = self._is_cudnn(leaf, found.get("bias"))
            for p in own:
                path = found[p.name]
                if path in self._places:
                    raise self.refused(path, "one array for two weights")
                self._places[path] = (leaf, p)
                wanted[path] = p.shape
                if turned:
                    self._turned.add(path)
                    if p.name == "bias":
                        wanted[path] = cudnn.bias_shape(len(leaf.gates), leaf.units)
        return wanted

    def _find_one(self, inside: list[str], layer: Layer, leaf: Layer, p: Param) -> str:
        """Where a weight is, told by its name; in Bidirectional also by the direction's."""
        found = [path for path in inside if _last(path) == p.name]
        if leaf is not layer:
            way = leaf.stored_in.split("/")[0].removesuffix("layer")  # "forward_"
            found = [
                path
                for path in found
                if any(n == leaf.name or n.startswith(way) for n in path.split("/")[:-1])
            ]
        if len(found) > 1:
            raise self.refused(found[0], f"{len(found)} arrays called {p.name!r}")
        return found[0] if found else f"{self._root}{layer.name}/{p.name}"

    def _is_cudnn(self, leaf: Layer, bias: str | None) -> bool:
        if not isinstance(leaf, LSTM | GRU) or bias is None:
            return False
        return self.shape(bias) == cudnn.bias_shape(len(leaf.gates), leaf.units)

    def weights(self, wanted: dict[str, tuple[int, ...]]) -> list[Array]:
        arrays = super().weights(wanted)
        made = [self._as_today(path, a) for path, a in zip(wanted, arrays, strict=True)]
        if self._stretched:
            warnings.warn(
                f"{self.who} of {self.where} expected the hard_sigmoid of Keras 3, got that of "
                f"Keras 2: weights under it are {STRETCH} times as large here, and the model "
                "predicts the same.",
                stacklevel=4,
            )
        return made

    def _as_today(self, path: str, array: Array) -> Array:
        leaf, p = self._places[path]
        if path in self._turned:
            array = cudnn.turned(p.name, array, len(p.gates), p.shape)
        hard = [_activation(leaf, gate) == "hard_sigmoid" for gate in p.gates or ("",)]
        if self._before_3 and any(hard):
            self._stretched.add(path)
            array = array * np.repeat(np.where(hard, STRETCH, 1.0), array.shape[-1] // len(hard))
        return array

    def _check_activation(self, layer: Layer) -> None:
        """Raise where Keras 2's hard_sigmoid acts on what no weight makes."""
        for leaf in layer.leaves():
            acts = isinstance(leaf, LSTM | Activation)
            if acts and _activation(leaf, "candidate") == "hard_sigmoid":
                raise FileError(
                    f"{self.who} expected activations of Keras 3, got {leaf.label} with "
                    f"activation='hard_sigmoid' in {self.where}, which Keras 2 computed in "
                    "another way. Build the model with another activation, and train it again."
                )

    # -- the optimizer ----------------------------------------------------------------------------

    def optimizer(self, model: Model) -> tuple[list[str], bool]:
        assert model.optimizer is not None
        inside = self.datasets(OPTIMIZER)
        if not inside:
            return [], False
        ends = {_last(path): path for path in inside}
        first = [ends[name] for name in ("iteration", "iter") if name in ends][:1]
        rated = model.optimizer.schedule is None and "learning_rate" in ends
        weights = [path.removeprefix(self._root).split("/", 1)[1] for path in self._places]
        moments = model.optimizer.moments()
        if self._turned or self._stretched or not first:
            found = []
        else:
            wanted = order(model.optimizer, model.trainable_indices)
            found = [self._moment(inside, weights[i], moments[m]) for m, i in wanted]
        if None in found or not first or (moments and not found):
            warnings.warn(
                f"{self.who} of {self.where} expected what Keras 3's optimizer keeps, got another "
                "layout: training goes on with a fresh one.",
                stacklevel=5,
            )
            return [], False
        rate = [ends["learning_rate"]] if rated else []
        return [*first, *rate, *(path for path in found if path is not None)], rated

    def _moment(self, inside: list[str], weight: str, moment: str) -> str | None:
        """Where an array that an optimizer keeps for a weight is."""
        stem = weight.removesuffix(":0")
        ends = [f"/{stem.replace('/', '_')}_{moment}"]
        ends += [f"/{stem}/{short}" for short in SHORT[moment]]
        ends += [f"/{short}/{stem}" for short in SHORT[moment]]
        found = [path for path in inside if path.removesuffix(":0").endswith(tuple(ends))]
        return found[0] if len(found) == 1 else None


def opened(content: bytes, where: str, who: str) -> Numbered:
    """The arrays of a file of weights, older or not."""
    found = Named(content, where, who)
    if found.older:
        return found
    found.close()
    return Numbered(content, where, who)


def _last(path: str) -> str:
    """The name at a path's end; TensorFlow put a number behind it."""
    return path.rsplit("/", 1)[-1].removesuffix(":0")


def _activation(leaf: Layer, gate: str) -> str | None:
    """What acts on a column group of a layer's weights."""
    gates = isinstance(leaf, Recurrent) and gate not in ("candidate", "state")
    name = getattr(leaf, "recurrent_activation", None) if gates else None
    return name if gates else getattr(leaf, "activation", None)
