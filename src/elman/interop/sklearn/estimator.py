"""What the estimators share: their options, training, prediction, pickling."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from elman.callbacks import Callback, EarlyStopping
from elman.data.preparing import Preparation
from elman.data.tokens import UNITS
from elman.errors import DataError, OptionError, ShapeError
from elman.interop.sklearn import preparing, reading
from elman.interop.sklearn.engine import engine
from elman.interop.sklearn.preparing import Found
from elman.layers import Dense, Embedding, Input, InputLayer
from elman.layers.layer import whole
from elman.models import Sequential
from elman.optimizers import Adam
from elman.ragged import Ragged
from elman.saving import load_model, save_model
from elman.spec import parsing

Array = np.ndarray[Any, np.dtype[Any]]


#: Where there are none, in scikit-learn's words.
NO_TARGETS = "no_validation"


class Head(NamedTuple):
    """The end of a network."""

    width: int
    activation: str | None
    loss: str


# A dataclass's `__init__` stores its options and does nothing else: scikit-learn's contract.
@dataclass(eq=False, repr=False)
class SequenceEstimator(BaseEstimator):
    """A recurrent network of scikit-learn's kind.

    X is a table [n, steps] with one feature per step, an array [n, steps, features], a list of
    arrays [steps_i, features] or [steps_i], a list of texts, sktime's DataFrames, nested or with an
    index of two levels, or `elman.data.Sequences`.

    Args:
        arch: the layers between input and output in one line, such as "gru(?,seq) > lstm(16)";
            `help(elman.spec)` shows the grammar.
        units: what a `?` in `arch` stands for, and the width of the embedding of texts.
        epochs: how often training goes through the data, at most.
        batch_size: rows of one training step.
        learning_rate: Adam's.
        standardize: whether each feature is brought to mean 0 and deviation 1. `Sequences` always
            are, as their `split` does it.
        channels_first: whether arrays are [n, channels, steps] and [channels, steps_i], as aeon's.
        tokens: what texts are cut into: "words", "chars" or "bytes", as `elman.data.text` does it.
        max_tokens: the vocabulary's size at most, with padding and unknown; the frequent ones stay.
        early_stopping: whether to hold rows out, to stop when these get no better, and to keep
            the weights that were best for them.
        validation_fraction: the share of the rows held out.
        patience: epochs without improvement after which to stop.
        random_state: a seed, or NumPy's RandomState. The same seed and threads: the same bits.
        verbose: 0 is silent, 1 shows a bar, 2 a line per epoch.
        warm_start: whether another `fit` goes on where the one before it ended.

    Attributes:
        model_: the `elman.Sequential`, which takes prepared sequences. Its `prepared` is what was
            learned of those that were trained on; `save` keeps it, for `elman predict`.
        n_features_in_: columns of a table, or features per step; texts have none.
        n_iter_: epochs so far.
        loss_curve_, validation_curve_: the losses after each; the second where rows are held out.
    """

    arch: str = "gru(?)"
    _: KW_ONLY
    units: int = 32
    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 0.005
    standardize: bool = True
    channels_first: bool = False
    tokens: str = "words"
    max_tokens: int = 10_000
    early_stopping: bool = False
    validation_fraction: float = 0.1
    patience: int = 10
    random_state: Any = None
    verbose: int = 0
    warm_start: bool = False

    #: What scikit-learn is to check of targets.
    _target_checks: ClassVar[Mapping[str, bool]] = {}

    #: Whether what it was fitted on is a table, whose columns scikit-learn counts and names.
    _is_table = False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    @property
    def _who(self) -> str:
        """How errors name this."""
        return type(self).__name__

    @property
    def _fitted(self) -> bool:
        return hasattr(self, "model_")

    @property
    def _prepared(self) -> Preparation:
        """How what it was fitted on was prepared."""
        assert self._network.prepared is not None
        return self._network.prepared

    def _read(self, X: Any, y: Any = NO_TARGETS, *, fresh: bool) -> Any:
        """X as `reading` has it, and with targets both, by the rules of scikit-learn.

        Where it is not fresh, X must have the features it was fitted on.
        """
        if not fresh:
            check_is_fitted(self, "model_")
        found: Any = reading.read(X, self.channels_first, self._who)
        given = y is not NO_TARGETS
        is_table = found is None and (fresh or self._is_table)
        if is_table:
            valid = validate_data(self, X, y, reset=fresh, **self._target_checks if given else {})
            table, y = valid if given else (valid, y)
            found = table[:, :, None]
        elif given:
            y = validate_data(self, y=y, reset=fresh, **self._target_checks)
        if found is None:  # a table of one feature, for what knows sequences of one
            found = check_array(X, input_name="X", estimator=self)[:, :, None]
        if isinstance(found, list):
            found = preparing.unread(found, self.tokens, self.max_tokens)
        if fresh:
            self._is_table = is_table
            if not is_table and (count := preparing.features(found)):
                self.n_features_in_ = count
        else:
            self._check_known(found)
        if not given:
            return found
        check_consistent_length(range(len(found)), y)
        return found, y

    def _check_known(self, found: Found) -> None:
        """Raise unless these are sequences as in fit."""
        known = 1 if self._is_table else getattr(self, "n_features_in_", None)
        count = preparing.features(found)
        if (known is None) != (count is None):
            wanted, got, what = "sequences of numbers", "texts", "numbers"
            if known is None:
                wanted, got, what = "texts", "numbers", "a list of strings"
            raise DataError(f"{self._who} expected {wanted} as in fit, got {got}. Pass {what}.")
        if known != count:
            raise ShapeError(
                f"{self._who} expected {known} features per step as in fit, got {count}. Check the "
                "last axis; arrays [n, channels, steps] need channels_first=True."
            )

    # -- training ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Draw a seed, and begin to count."""
        drawn = check_random_state(self.random_state).randint(2**31 - 1)
        self._generator = np.random.default_rng(drawn)
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []

    def _prepare(self, found: Found) -> Preparation:
        """Learn the preparation, from what is trained on alone."""
        if self.tokens not in UNITS:
            raise OptionError(
                f"{self._who} expected tokens to be one of {', '.join(UNITS)}, got "
                f"{self.tokens!r}. Choose one."
            )
        prepared = preparing.learn(found, self.standardize)
        if hasattr(self, "feature_names_in_"):  # for who reads more such tables from a file
            prepared = replace(prepared, columns=(("features", tuple(self.feature_names_in_)),))
        return prepared

    def _head(self) -> Head:
        raise NotImplementedError

    def _build(self, x: Array | Ragged, prepared: Preparation) -> Sequential:
        """A network for sequences like these."""
        if words := preparing.words(prepared):
            first: Any = Embedding(words, self.units, mask_zero=True)
        else:
            first = Input((None if isinstance(x, Ragged) else x.shape[1], x.shape[-1]))
        hidden = parsing.layers(self.arch, unknown=self.units)
        if any(isinstance(entry, InputLayer) for entry in hidden):
            raise OptionError(
                f"{self._who} expected arch to be layers alone, got an input in {self.arch!r}. "
                "Leave it out: the data tell."
            )
        model = Sequential([first, *hidden])
        if len(model.output_shape or ()) != 2:
            raise OptionError(
                f"{self._who} expected arch to end in one row of numbers per sequence, got "
                f"{model.output_shape} of {self.arch!r}. Leave out seq in its last layer."
            )
        width, activation, loss = self._head()
        model.add(Dense(width, activation=activation))
        model.compile(Adam(self.learning_rate), loss)
        model.prepared = prepared
        return model

    def _answering(self, network: Any) -> Any:
        """What answers, made of the network that learns."""
        return network

    def _adopt(self, network: Any) -> None:
        """Learn with this network from now on."""
        self._network, self.model_ = network, self._answering(network)
        self.model_.prepared = network.prepared

    def _train(
        self,
        found: Found,
        y: Array,
        weight: Array | None,
        prepared: Preparation | None,
        epochs: int,
        rows: Array | None,
        held_out: Array | None,
    ) -> None:
        """Train on some rows, all where None, and watch how others do.

        What is prepared anew is for a network that is made anew.
        """
        whole(self._who, "epochs", epochs)
        x: Any = preparing.apply(prepared or self._prepared, found)
        callbacks: list[Callback] = []
        validation = None
        if held_out is not None and len(held_out):
            validation = [part[held_out] for part in (x, y, weight) if part is not None]
        if self.early_stopping and validation:
            callbacks = [EarlyStopping(patience=self.patience, restore_best_weights=True)]
        x, y, weight = (chosen(part, rows) for part in (x, y, weight))
        with engine(self._generator):
            if prepared is not None:
                self._adopt(self._build(x, prepared))
            history = self._network.fit(
                x,
                y,
                self.batch_size,
                epochs,
                self.verbose,
                callbacks,
                validation_data=validation,
                sample_weight=weight,
            ).history
        self.loss_curve_ += history["loss"]
        self.validation_curve_ += history.get("val_loss", [])
        self.n_iter_ = len(self.loss_curve_)

    # -- using it ---------------------------------------------------------------------------------

    def _outputs(self, found: Any) -> Array:
        """What the network says of each sequence, float32 [n, width]."""
        x = preparing.apply(self._prepared, found)
        with engine():
            return np.asarray(self.model_.predict(x, verbose=0))

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: the network is the bytes of its .keras file, which hold no code."""
        state = dict(super().__getstate__())
        if self._fitted:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.keras")
                save_model(state.pop("_network"), path)
                state["model_"] = path.read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        content = state.pop("model_", None)
        super().__setstate__(state)
        if content is not None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.keras")
                path.write_bytes(content)
                self._adopt(load_model(path))


def chosen(found: Any, rows: Array | None) -> Any:
    """Some rows, or all."""
    return found if rows is None or found is None else found[rows]
