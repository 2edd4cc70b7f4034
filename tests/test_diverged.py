"""Training that runs away ends with an error that helps, and the weights stay as they were."""

from __future__ import annotations

import numpy as np
import pytest

import elman
from elman import _core
from elman.callbacks import Callback, EarlyStopping, TerminateOnNaN
from elman.errors import DataError, DivergedError
from elman.layers import GRU, LSTM, Bidirectional, Dense, Embedding, SimpleRNN
from elman.models import Sequential
from elman.optimizers import SGD, Adam

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 30, 3)).astype("f4")
Y = RNG.normal(size=(40, 1)).astype("f4")


def running_away(*layers, rate: float = 1e30, **options) -> Sequential:
    """A model whose first step goes much too far."""
    layers = layers or (LSTM(5, activation="relu"), Dense(1))
    model = Sequential([elman.Input((30, 3)), *layers])
    model.compile(SGD(rate, **options), "mse", metrics=["mae"])
    return model


def finite(model: Sequential) -> bool:
    return all(np.isfinite(w).all() for w in model.get_weights())


class Watch(Callback):
    """Keeps the weights from before each batch, and which hooks were called."""

    def __init__(self):
        self.before, self.calls = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.before.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(epoch)

    def on_train_end(self, logs=None):
        self.calls.append("end")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_relu_lstm_that_runs_away_is_told_with_place_and_remedies(threads):
    _core.set_threads(threads)
    model = running_away()
    with pytest.raises(DivergedError) as caught:
        model.fit(X, Y, 8, 3, 0)
    error, text = caught.value, str(caught.value)
    assert (error.epoch, error.layer) == (0, "lstm")
    assert "got a loss of nan in epoch 1 of 3, batch" in text
    assert f"batch {error.batch + 1} of 5" in text
    assert "The first output that is not finite is that of LSTM 'lstm'" in text
    assert "Lower the learning rate, which is 1e+30" in text
    assert "clip gradients (clipnorm=1.0 in the optimizer)" in text
    assert "give LSTM 'lstm' the activation 'tanh': with 'relu'" in text


@pytest.mark.parametrize("by_batch", [False, True])
@pytest.mark.parametrize(
    "optimizer", [SGD(1e30, momentum=0.5), Adam(1e30), Adam(1e30, global_clipnorm=1.0)], ids=repr
)
def test_the_batch_that_fails_changes_nothing(optimizer, by_batch):
    layers = [Embedding(9, 4), GRU(5, activation="relu"), Dense(1)]
    tokens = RNG.integers(0, 9, (40, 30)).astype("i4")
    model, watch = Sequential(layers), Watch()
    model.compile(type(optimizer).from_config(optimizer.get_config()), "mse")
    with pytest.raises(DivergedError) as caught:
        model.fit(tokens, Y, 8, 3, 0, callbacks=[watch] if by_batch else None)
    assert finite(model)
    assert model.optimizer.iterations == caught.value.batch
    if by_batch:
        for was, now in zip(watch.before[-1], model.get_weights(), strict=True):
            np.testing.assert_array_equal(now, was)


def test_training_goes_on_from_what_was_learned():
    model = running_away(rate=0.01)
    model.fit(X, Y, 8, 1, 0)
    learned = model.get_weights()
    model.optimizer.learning_rate = 1e30
    with pytest.raises(DivergedError):
        model.fit(X, Y, 8, 2, 0, shuffle=False)
    model.set_weights(learned)
    model.optimizer.learning_rate = 0.01
    assert np.isfinite(model.fit(X, Y, 8, 2, 0).history["loss"]).all()


def test_gradients_that_overflow_stop_training_while_the_loss_is_finite():
    # Forward the state is zero, so that only the way back grows: by 3e4 a step.
    model = running_away(SimpleRNN(1, activation="linear", use_bias=False), Dense(1), rate=0.1)
    model.set_weights([np.zeros((3, 1)), np.full((1, 1), 3e4), np.ones((1, 1)), np.zeros(1)])
    before = model.get_weights()
    with pytest.raises(DivergedError) as caught:
        model.fit(X, Y, 8, 1, 0)
    assert caught.value.layer == "simple_rnn"
    assert "got gradients that are not finite in epoch 1" in str(caught.value)
    assert "on the way back, is that of SimpleRNN 'simple_rnn'" in str(caught.value)
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(now, was)


def test_the_layer_inside_a_bidirectional_is_named():
    model = running_away(Bidirectional(SimpleRNN(3, activation="relu")), Dense(1))
    weights = model.get_weights()
    weights[4] = np.eye(3) * 1e4  # of the backward layer: its state overflows
    model.set_weights(weights)
    with pytest.raises(DivergedError) as caught:
        model.fit(X, Y, 8, 2, 0)
    assert caught.value.layer == "bidirectional/backward_simple_rnn"


def test_clipping_that_is_there_already_is_told():
    model = running_away(clipnorm=3.0)
    with pytest.raises(DivergedError, match="clip gradients to less than clipnorm=3"):
        model.fit(X, Y, 8, 9, 0)


def test_weights_that_are_not_finite_are_told_apart():
    model = running_away(rate=0.01)
    weights = model.get_weights()
    weights[1][0, 0] = np.inf
    model.set_weights(weights)
    with pytest.raises(DivergedError, match="weights of LSTM 'lstm' are not finite; give it"):
        model.fit(X, Y, 8, 1, 0)


def test_inputs_that_are_not_finite_are_told_apart():
    bad = X.copy()
    bad[3, 2, 1] = np.nan
    with pytest.raises(DataError, match="finite inputs"):
        running_away(rate=0.01).fit(bad, Y, 8, 1, 0)


def test_train_on_batch_tells_it_too():
    model = running_away()
    model.train_on_batch(X, Y)
    with pytest.raises(DivergedError, match="train_on_batch expected a finite loss"):
        model.train_on_batch(X, Y)
    assert finite(model)


@pytest.mark.parametrize("steps", [{"tbptt": 7}, {"recompute": True}], ids=str)
def test_long_sequences_stop_too(steps):
    layers = LSTM(4, activation="relu", return_sequences=True), Dense(1)
    model = running_away(*layers)
    x, y = np.tile(X, (1, 4, 1)), np.zeros((40, 120, 1), "f4")
    with pytest.raises(DivergedError):
        model.fit(x, y, 8, 3, 0, **steps)
    assert finite(model)


def test_terminate_on_nan_ends_training_quietly(capsys):
    model, watch = running_away(), Watch()
    history = model.fit(X, Y, 8, 4, 0, callbacks=[TerminateOnNaN(), watch])
    assert np.isnan(history.history["loss"]).tolist() == [True]
    assert watch.calls == [0, "end"]
    assert finite(model)


def test_callbacks_end_in_good_order_and_give_back_the_best_weights():
    model, watch = running_away(rate=0.01), Watch()

    class RunAway(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.01 if epoch < 3 else 1e30

    best = EarlyStopping("loss", patience=9, restore_best_weights=True)
    with pytest.raises(DivergedError):
        model.fit(X, Y, 8, 6, 0, callbacks=[RunAway(), best, watch])
    assert watch.calls == [0, 1, 2, "end"]
    assert model.history.epoch == [0, 1, 2]
    assert model.evaluate(X, Y, verbose=0)[0] < 10


def test_evaluate_and_predict_say_what_they_find():
    model = running_away(rate=0.01)
    weights = model.get_weights()
    weights[-1][:] = np.nan
    model.set_weights(weights)
    assert np.isnan(model.evaluate(X, Y, verbose=0)[0])
    assert np.isnan(model.predict(X, verbose=0)).all()
