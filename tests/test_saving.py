"""Files: what comes back, what Keras and elman make of each other's, what a failure leaves."""

from __future__ import annotations

import errno
import json
import os
import pickle
import stat
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import elman
import keras_judge
import trainings
from elman import FileError, NotReadyError, OptionError, Sequential, seeds
from elman.callbacks import ModelCheckpoint
from elman.data import Preparation, Sequences
from elman.data.steps import Scale, Tokens
from elman.layers import (
    GRU,
    LSTM,
    Activation,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Masking,
    SimpleRNN,
)
from golden import record_files
from golden.record_files import AFTER, BEFORE
from trainings import OPTIMIZERS, TAGGER, TRAININGS

MANY = elman.losses.SparseCategoricalCrossentropy(from_logits=True)
GOLDEN = Path(__file__).parent / "golden"
X = np.random.default_rng(3).normal(size=(12, 5, 3)).astype("f4")
Y = np.random.default_rng(4).integers(0, 2, 12)


def small(*, trained: bool = True) -> Sequential:
    model = Sequential([elman.Input((5, 3)), GRU(4), Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    if trained:
        model.fit(X, Y, epochs=2, verbose=0)
    return model


def same(a: Any, b: Any) -> bool:
    """Whether two models have the same weights, to the last bit."""
    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def apart(a: Any, b: Any) -> float:
    """How far the weights of two models are apart."""
    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in pairs)


# -- there and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAININGS)
def test_a_loaded_model_trains_on_with_the_same_bits(name, tmp_path):
    model, data = record_files.begun(elman, name)
    model.save(tmp_path / "m.keras")
    loaded = elman.load(tmp_path / "m.keras")
    assert same(model, loaded)
    assert loaded.get_config() == model.get_config()
    wanted = record_files.train(model, name, data, AFTER)
    assert record_files.train(loaded, name, data, AFTER) == wanted
    assert same(model, loaded)
    assert loaded.optimizer.iterations == model.optimizer.iterations > 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_where_it_was(name, tmp_path):
    weights, data = trainings.begin(TAGGER)
    model = trainings.model(elman, TAGGER, OPTIMIZERS[name](elman))
    model.set_weights(weights)
    model.fit(**data, batch_size=4, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    loaded = elman.load(tmp_path / "m.keras")
    built = trainings.model(elman, TAGGER, OPTIMIZERS[name](elman))
    built.load_weights(tmp_path / "m.weights.h5")
    for each in (model, loaded, built):
        each.fit(**data, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert same(model, loaded) and same(model, built)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()


def test_layers_of_one_class_are_kept_apart_and_options_come_back(tmp_path):
    model = Sequential(
        [
            elman.Input((None, 3)),
            Masking(-1.0),
            LSTM(4, return_sequences=True, activation="relu", unit_forget_bias=False, name="low"),
            Dropout(0.3, noise_shape=(None, 1, None)),
            LSTM(2, return_sequences=True, go_backwards=True, dropout=0.1, use_bias=False),
            LSTM(3, return_sequences=True, dtype="mixed_bfloat16"),
            GRU(2, return_sequences=True, reset_after=False, trainable=False),
            SimpleRNN(
                3,
                return_sequences=True,
                kernel_initializer=elman.initializers.RandomNormal(stddev=0.2, seed=4),
            ),
            Bidirectional(LSTM(2, return_sequences=True), merge_mode="sum"),
            Bidirectional(GRU(2), backward_layer=SimpleRNN(3, go_backwards=True, use_bias=False)),
            Dense(2),
            Activation("softmax"),
        ],
        name="tower",
    )
    model.save(tmp_path / "m.keras")
    loaded = elman.load(tmp_path / "m.keras")
    assert same(model, loaded)
    assert loaded.get_config() == json.loads(json.dumps(model.get_config()))
    assert [layer.trainable for layer in loaded.layers] == [a.trainable for a in model.layers]
    assert loaded.optimizer is None and loaded.history is None
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_loading_draws_no_random_numbers(tmp_path):
    small().save(tmp_path / "m.keras")
    elman.set_random_seed(5)
    elman.load(tmp_path / "m.keras")
    after = seeds.draw_seed()
    elman.set_random_seed(5)
    assert seeds.draw_seed() == after


@pytest.mark.parametrize("first", [Embedding(7, 3), GRU(2)], ids=["tokens", "features"])
def test_a_model_without_an_input_comes_back(first, tmp_path):
    model = Sequential([first, Dense(1)])
    x = np.ones((2, 4), int) if first.takes_tokens else X
    with (
        pytest.warns(UserWarning, match="no weights|none yet") if not model.built else no_warning()
    ):
        model.save(tmp_path / "early.keras")
    assert len(elman.load(tmp_path / "early.keras").layers) == 2
    wanted = model.predict(x)
    model.save(tmp_path / "m.keras")
    assert np.array_equal(elman.load(tmp_path / "m.keras").predict(x), wanted)


def no_warning() -> Any:
    return warnings.catch_warnings(action="error")


def test_a_frozen_layer_has_no_state_in_the_optimizer(tmp_path):
    model = small(trained=False)
    model.layers[0].trainable = False
    model.compile("adam", "binary_crossentropy")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    with h5py.File(unpacked(tmp_path / "m.keras")) as file:
        # steps, rate, and two moments of a kernel and a bias
        assert len(file["optimizer/vars"]) == 2 + 2 * 2
    loaded = elman.load(tmp_path / "m.keras")
    assert [layer.trainable for layer in loaded.layers] == [False, True]
    for each in (model, loaded):
        each.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    assert same(model, loaded)


def unpacked(path: Path) -> Any:
    """The weights file inside a .keras file."""
    import io

    with zipfile.ZipFile(path) as file:
        return io.BytesIO(file.read("model.weights.h5"))


def test_the_history_is_in_the_file_also_where_it_is_not_finite(tmp_path):
    model = small()
    history = model.history
    history.history["odd"] = [np.nan, -np.inf]
    history.history["several"] = [[0.25, np.inf], [0.5, 1.0]]
    model.save(tmp_path / "m.keras")
    loaded = elman.load(tmp_path / "m.keras").history
    assert loaded.epoch == history.epoch == [0, 1]
    assert list(loaded.history) == list(history.history)
    for name, values in history.history.items():
        np.testing.assert_array_equal(loaded.history[name], values)
    with zipfile.ZipFile(tmp_path / "m.keras") as file:
        json.loads(file.read("metadata.json"), parse_constant=pytest.fail)


# -- how the data were prepared --------------------------------------------------------------------


def of_kind(kind: str) -> Sequences:
    """Sequences of a kind, whose preparation has all that such a one can have."""
    if kind == "text":
        some = ["so good", "so bad &amp; sad", "\ud800 été"]  # half a surrogate pair is no letter
        texts = [f"{some[i % 3]} {i}" for i in range(12)]
        return elman.data.text(texts, list("yny" * 4), tokens="chars")
    if kind == "table":
        x = np.where(X[..., 0] > 1, np.nan, X[..., 0])
        long = {"who": np.repeat(np.arange(12), 5), "x": x.ravel(), "y": np.repeat(Y, 5)}
        return elman.data.table(long, "y", sequence="who", units=["mV"])
    if kind == "sound":
        return elman.data.audio(elman.datasets.path("wav/it/h-16.wav").parents[1], trim=-50)
    signal = np.sin(np.arange(2000))[:, None]
    classes = {"a": "NL", "b": "V"}
    return elman.data.ecg(signal, source_rate=100, length=1, classes=classes, label=None)


def fitted(data: Sequences) -> Sequential:
    """A model that was trained on these, however badly."""
    first = [Embedding(len(data.vocabulary), 2)] if data.vocabulary else []
    model = Sequential([*first, GRU(2), Dense(max(data.classes, 1))])
    model.compile("sgd", "mse" if not data.classes else MANY)
    y = np.zeros(len(data)) if data.targets is None else None
    model.fit(data, y, verbose=0)
    return model


@pytest.mark.parametrize("kind", ["text", "table", "sound", "ecg"])
def test_a_file_has_how_the_data_were_prepared_and_new_data_become_the_same(kind, tmp_path):
    data = of_kind(kind)
    train, held_out = data.split(0.25)
    model = fitted(train)
    assert model.prepared == train.prepared and model.prepared.steps
    model.save(tmp_path / "m.keras")
    loaded = elman.load(tmp_path / "m.keras", compile=False)
    assert loaded.prepared == model.prepared
    as_read = data.split(0.25, prepare=False)[1]
    again = loaded.prepared(as_read)
    for one, other in zip(again, held_out, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.array_equal(loaded.predict(again, verbose=0), model.predict(held_out, verbose=0))


def test_a_model_that_saw_all_texts_keeps_the_vocabulary_of_all(tmp_path):
    texts, labels = ["so good", "so bad", "well"], ["yes", "no", "yes"]
    data = elman.data.text(texts, labels, least=1)
    assert data.prepared.provisional
    fitted(data).save(tmp_path / "m.keras")
    found = elman.load(tmp_path / "m.keras").prepared
    new = elman.data.text(["bad well unheard"], prepared=found)
    assert [new.vocabulary[token] for token in new[0]] == ["bad", "well", "[UNK]"]
    assert new.names == ("no", "yes")


def test_arrays_do_not_make_a_model_forget_and_other_sequences_do(tmp_path):
    data = of_kind("table")
    model = fitted(data.split(0.25)[0])
    before = model.prepared
    model.fit(np.zeros((2, 5, 2)), np.zeros(2), verbose=0)
    assert model.prepared is before
    other = data.split(0.5, seed=3)[0]
    model.fit(other, verbose=0)
    assert model.prepared == other.prepared != before
    assert small().prepared is None
    small().save(tmp_path / "m.keras")
    assert elman.load(tmp_path / "m.keras").prepared is None


def test_loading_weights_leaves_the_preparation_alone(tmp_path):
    model = fitted(of_kind("table").split(0.25)[0])
    model.save(tmp_path / "m.keras")
    built = Sequential([elman.Input((None, 2)), GRU(2), Dense(2)])
    built.load_weights(tmp_path / "m.keras")
    assert built.prepared is None


def test_a_vocabulary_of_a_hundred_thousand_long_words_comes_back(tmp_path):
    words = tuple(f"неизвестное{number}" for number in range(100_000))  # 6 bytes a letter in JSON
    model = Sequential([elman.Input((None,)), Embedding(100_002, 4), GRU(2)])
    model.prepared = Preparation("text", (Tokens("words", ("", "[UNK]", *words)),))
    model.save(tmp_path / "m.keras")
    assert elman.load(tmp_path / "m.keras").prepared == model.prepared


@pytest.mark.parametrize(
    ("prepared", "words"),
    [
        (Preparation("text", (Tokens("words", ("", "[UNK]", "x" * 20_000)),)), "prepared to None"),
        (Preparation("table", (Scale((np.nan,), (1.0,)),)), "no finite number"),
        (Preparation("text", names=tuple("x" * 5_000 for _ in range(1_000))), "bytes of text"),
    ],
    ids=["a word too long", "not finite", "too much for so few weights"],
)
def test_a_preparation_that_could_not_be_opened_is_not_saved(prepared, words, tmp_path):
    model = small()
    model.save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()
    model.prepared = prepared
    with pytest.raises(FileError, match=words) as raised:
        model.save(tmp_path / "m.keras")
    assert len(str(raised.value)) < 1000
    assert (tmp_path / "m.keras").read_bytes() == before


def test_a_word_that_no_file_could_hold_is_not_learned():
    learned = Tokens.learned(["word " + "x" * 20_000], "words", None, 1)
    assert learned.vocabulary == ("", "[UNK]", "word")


def test_checkpoints_and_pickles_of_estimators_keep_the_preparation(tmp_path):
    train, _ = of_kind("table").split(0.25)
    model = fitted(train)
    model.fit(train, callbacks=[ModelCheckpoint(tmp_path / "best.keras")], verbose=0)
    assert elman.load(tmp_path / "best.keras").prepared == train.prepared
    pytest.importorskip("sklearn")
    from elman.interop.sklearn import SequenceClassifier

    estimator = SequenceClassifier("gru(2)", epochs=1).fit(X, Y)
    estimator.model_.prepared = train.prepared
    assert pickle.loads(pickle.dumps(estimator)).model_.prepared == train.prepared


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_opens_a_file_with_a_preparation_and_saves_one_without(keras, tmp_path):
    train, _ = of_kind("text").split(0.25)
    model = fitted(train)
    model.save(tmp_path / "m.keras")
    opened = keras.saving.load_model(tmp_path / "m.keras")
    tokens, _ = train.padded()
    wanted = model.predict(tokens, verbose=0)
    np.testing.assert_allclose(opened.predict(tokens, verbose=0), wanted, atol=1e-5)
    opened.save(tmp_path / "k.keras")
    assert elman.load(tmp_path / "k.keras").prepared is None


def test_how_it_was_compiled_comes_back_objects_and_all(tmp_path):
    model = small(trained=False)
    model.compile(
        elman.optimizers.SGD(
            elman.optimizers.schedules.CosineDecay(0.1, 20, warmup_target=0.2, warmup_steps=3),
            momentum=0.5,
            clipnorm=1.0,
        ),
        elman.losses.BinaryCrossentropy(label_smoothing=0.1),
        metrics=[
            "accuracy",
            elman.metrics.AUC(num_thresholds=50, name="area"),
            elman.metrics.Recall,
        ],
    )
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = elman.load(tmp_path / "m.keras")
    assert loaded.compiled_loss().get_config() == model.compiled_loss().get_config()
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert [m.get_config() for m in loaded.metrics] == [m.get_config() for m in model.metrics]
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    bare = elman.load(tmp_path / "m.keras", compile=False)
    assert bare.optimizer is None and same(bare, model)


def test_a_function_of_the_user_stays_out_of_the_file_with_a_warning(tmp_path):
    model = small(trained=False)

    def mine(y, p):
        return np.abs(y - p)

    class Own(elman.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1

    model.compile("sgd", "mse", metrics=["mae", mine])
    with pytest.warns(UserWarning, match="leaves out a metric.*FunctionMetric"):
        model.save(tmp_path / "m.keras")
    assert elman.load(tmp_path / "m.keras").metrics_names == ["loss", "mae"]
    model.compile(elman.optimizers.SGD(Own()), "mse")
    with pytest.warns(UserWarning, match="how the model was compiled.*Own"):
        model.save(tmp_path / "m.keras")
    assert elman.load(tmp_path / "m.keras").optimizer is None


def test_a_layer_of_the_user_cannot_be_saved_and_says_so(tmp_path):
    class Mine(Dense):
        pass

    with pytest.raises(FileError, match=r"Mine.*elman does not have this class"):
        Sequential([elman.Input((3,)), Mine(2)]).save(tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


# -- weights --------------------------------------------------------------------------------------


def test_weights_that_do_not_fit_leave_the_model_as_it_was(tmp_path):
    other = Sequential([elman.Input((5, 3)), GRU(4), Dense(2)])
    other.save_weights(tmp_path / "m.weights.h5")
    model = small()
    before = model.get_weights()
    with pytest.raises(FileError, match=r"shape \(4, 2\) instead of \(4, 1\)"):
        model.load_weights(tmp_path / "m.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_weights_come_from_a_whole_model_too_and_without_a_compiled_model(tmp_path):
    model = small()
    model.save(tmp_path / "m.keras")
    other = Sequential([elman.Input((None, 3)), GRU(4), Dense(1, "sigmoid")])
    other.load_weights(tmp_path / "m.keras")
    assert same(model, other)


def test_another_optimizer_starts_afresh_with_a_warning(tmp_path):
    small().save_weights(tmp_path / "m.weights.h5")
    model = small(trained=False)
    model.compile("sgd", "binary_crossentropy")
    with pytest.warns(UserWarning, match="expected 2 arrays of the optimizer, got 12"):
        model.load_weights(tmp_path / "m.weights.h5")
    assert model.optimizer.iterations == 0


def test_a_model_without_weights_neither_saves_nor_loads_them(tmp_path):
    model = Sequential([GRU(2)])
    with pytest.raises(NotReadyError, match="save_weights"):
        model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(NotReadyError, match="load_weights"):
        model.load_weights(tmp_path / "m.weights.h5")


# -- Keras ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("name", record_files.NAMES)
def test_a_file_of_keras_opens_and_trains_on_as_recorded(name, ending):
    asked = quoted(name)
    model = elman.load(GOLDEN / f"{name}.{ending}")
    saved = [asked[f"saved {i}"] for i in range(len(model.weights))]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), saved, strict=True))
    loss = record_files.train(model, name, trainings.part(asked, "given "), AFTER)["loss"]
    np.testing.assert_allclose(loss, asked["loss"], rtol=1e-4)
    for i, weight in enumerate(model.get_weights()):
        np.testing.assert_allclose(weight, asked[f"last {i}"], rtol=1e-4, atol=1e-5)
        assert np.abs(weight - saved[i]).max() > 1e-3, (
            "a training that moves nothing proves nothing"
        )


def quoted(name: str) -> trainings.Arrays:
    return trainings.part(keras_judge.quoted("files"), f"{name}/")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["simple_rnn"])
def test_training_goes_on_in_keras_and_comes_back(name, keras, tmp_path):
    model, data = record_files.begun(elman, name)
    model.save(tmp_path / "ours.keras")
    theirs = keras.saving.load_model(tmp_path / "ours.keras")
    assert same(model, theirs)
    assert int(theirs.optimizer.iterations) == model.optimizer.iterations
    for each in (model, theirs):
        record_files.train(each, name, data, AFTER)
    assert apart(model, theirs) < 1e-5
    theirs.save(tmp_path / "theirs.keras")
    loaded = elman.load(tmp_path / "theirs.keras")
    for each in (theirs, loaded):
        record_files.train(each, name, data, BEFORE)
    assert apart(theirs, loaded) < 1e-5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["centered rmsprop", "amsgrad"])
def test_weights_files_with_every_moment_go_to_keras_and_come_back(name, keras, tmp_path):
    weights, data = trainings.begin(TAGGER)
    fit = {**data, "batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    ours, again = (trainings.model(elman, TAGGER, OPTIMIZERS[name](elman)) for _ in range(2))
    theirs = trainings.model(keras, TAGGER, OPTIMIZERS[name](keras))
    theirs.optimizer.build(theirs.trainable_variables)  # or Keras skips what the file has for it
    ours.set_weights(weights)
    ours.fit(**fit)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    for each in (ours, theirs):
        each.fit(**fit)
    assert apart(ours, theirs) < 1e-5
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    again.load_weights(tmp_path / "theirs.weights.h5")
    for each in (theirs, again):
        each.fit(**fit)
    assert apart(theirs, again) < 1e-5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("merge_mode", ["concat", "ave"])
def test_layers_that_walk_both_ways_go_to_keras_and_come_back(merge_mode, keras, tmp_path):
    def built(api: Any) -> Any:
        both = api.layers.Bidirectional(
            api.layers.GRU(3, return_sequences=True), merge_mode=merge_mode
        )
        layers = [api.layers.Masking(), both, api.layers.Bidirectional(api.layers.LSTM(2))]
        return api.Sequential([api.Input((5, 3)), *layers])

    x = X.copy()
    x[::3, 3:] = 0
    ours, theirs = built(elman), built(keras)
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    for model, again in (
        (ours, keras.saving.load_model(tmp_path / "ours.keras")),
        (theirs, elman.load(tmp_path / "theirs.keras")),
    ):
        assert same(model, again)
        np.testing.assert_allclose(
            again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6
        )


def test_the_recorded_files_are_what_keras_writes_now(keras):
    for name in record_files.NAMES:
        model = keras.saving.load_model(GOLDEN / f"{name}.keras")
        ours = elman.load(GOLDEN / f"{name}.keras")
        assert same(model, ours)
        assert [a.name for a in model.layers] == [a.name for a in ours.layers]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_losses_and_metrics_given_to_keras_as_functions_are_known(keras, tmp_path):
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.GRU(4), keras.layers.Dense(1)])
    mean_absolute_error = keras.metrics.mean_absolute_error
    model.compile("sgd", keras.losses.mean_squared_error, metrics=[mean_absolute_error])
    model.save(tmp_path / "m.keras")
    loaded = elman.load(tmp_path / "m.keras")
    assert loaded.metrics_names == ["loss", "mean_absolute_error"]
    wanted = model.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(loaded.evaluate(X, Y, verbose=0), wanted, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_opens_every_layer_metric_and_loss_of_elman(keras, tmp_path):
    for loss in set(elman.losses.NAMES.values()):
        model = Sequential([elman.Input((None, 3)), Masking(), Dropout(0.1, (None, 1, None))])
        model.add(LSTM(2, return_sequences=True, dtype="mixed_bfloat16"))
        model.add(Dense(2, "softmax"))
        model.compile(
            "rmsprop", loss(), metrics=[cls() for cls in set(elman.metrics.NAMES.values())]
        )
        model.save(tmp_path / "m.keras")
        theirs = keras.saving.load_model(tmp_path / "m.keras")
        assert [type(a).__name__ for a in theirs.layers] == [type(a).__name__ for a in model.layers]
        assert type(theirs.loss).__name__ == loss.__name__


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.h5", "m", "m.weights.h5", ".keras.bak"])
def test_another_ending_is_refused_before_any_work(name, tmp_path):
    with pytest.raises(FileError, match=r"ends in '\.keras', got"):
        small(trained=False).save(tmp_path / name)
    with pytest.raises(FileError, match=r"ends in '\.weights\.h5', got"):
        small(trained=False).save_weights(tmp_path / "m.h5")
    assert not list(tmp_path.iterdir())


def test_places_where_nothing_can_be_written_say_so(tmp_path):
    model = small(trained=False)
    with pytest.raises(FileError, match=r"there is no '.*nowhere'\. Make it first"):
        model.save(tmp_path / "nowhere/m.keras")
    (tmp_path / "m.keras").mkdir()
    with pytest.raises(FileError, match="got the folder"):
        model.save(tmp_path / "m.keras")
    model.save(tmp_path / "n.keras")
    with pytest.raises(FileError, match="overwrite=False"):
        model.save(tmp_path / "n.keras", overwrite=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_permission_says_so(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(FileError, match="Permission denied"):
            small(trained=False).save(tmp_path / "m.keras")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("where", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_no_other(where, error, tmp_path, monkeypatch):
    old = small()
    old.save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()

    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(where, fails)
    wanted = FileError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(wanted) as raised:
        small().save(tmp_path / "m.keras")
    monkeypatch.undo()
    if wanted is FileError:
        assert "No space left" in str(raised.value) and "is unchanged" in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
    assert (tmp_path / "m.keras").read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path):
    code = (
        "import elman, resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "model = elman.Sequential([elman.Input((5, 3)), elman.layers.Dense(1)])\n"
        "model.save('m.keras')\n"
        "model.add(elman.layers.Dense(5000))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try: model.save('m.keras')\n"
        "except elman.FileError as error: print(error)\n"
        "print(len(elman.load('m.keras').layers))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    message, layers = done.stdout.splitlines()
    assert "What was there is unchanged" in message and layers == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_permissions_and_links_stay(tmp_path):
    model = small(trained=False)
    (tmp_path / "real").mkdir()
    model.save(tmp_path / "real/m.keras")
    (tmp_path / "real/m.keras").chmod(0o640)
    (tmp_path / "m.keras").symlink_to(tmp_path / "real/m.keras")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    assert (tmp_path / "m.keras").is_symlink()
    assert stat.S_IMODE((tmp_path / "real/m.keras").stat().st_mode) == 0o640
    assert same(elman.load(tmp_path / "real/m.keras"), model)


def test_custom_objects_and_the_unsafe_mode_are_refused(tmp_path):
    small(trained=False).save(tmp_path / "m.keras")
    with pytest.raises(OptionError, match="custom_objects=None, got Mine"):
        elman.load(tmp_path / "m.keras", custom_objects={"Mine": Dense})
    with pytest.raises(OptionError, match="safe_mode=True, got False"):
        elman.models.load_model(tmp_path / "m.keras", safe_mode=False)
    assert same(elman.saving.load_model(str(tmp_path / "m.keras")), small(trained=False)) is False


# -- checkpoints ----------------------------------------------------------------------------------


def test_checkpoints_bear_epoch_and_quantities_and_open(tmp_path):
    model = small(trained=False)
    checkpoint = ModelCheckpoint(tmp_path / "runs/{epoch:02d}-{val_loss:.3f}.keras")
    history = model.fit(
        X, Y, epochs=3, validation_split=0.25, callbacks=[checkpoint], verbose=0
    ).history
    files = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert files == [f"{i + 1:02d}-{loss:.3f}.keras" for i, loss in enumerate(history["val_loss"])]
    second = elman.load(tmp_path / "runs" / files[1])
    assert second.history.epoch == [0, 1]
    assert second.history.history == {name: values[:2] for name, values in history.items()}
    assert same(elman.load(tmp_path / "runs" / files[2]), model)
    assert model.history.epoch == [0, 1, 2]


@pytest.mark.parametrize("api", ["elman", "keras"])
@pytest.mark.parametrize(
    ("options", "values", "kept"),
    [
        ({}, [3.0, 1.0, 2.0, 0.5], [1, 2, 3, 4]),
        ({"save_best_only": True}, [3.0, 1.0, 2.0, 0.5], [1, 2, 4]),
        ({"save_best_only": True, "mode": "max"}, [3.0, 1.0, 2.0, 4.0, np.nan], [1, 4]),
        ({"save_best_only": True, "initial_value_threshold": 1.5}, [3.0, 1.0, 1.2], [2]),
        ({"save_best_only": True, "monitor": "loss"}, [3.0, 3.0, 2.0], [1, 3]),
        ({"save_freq": 3}, [1.0] * 5, [3, 6, 9]),
        ({"save_freq": 4, "save_weights_only": True}, [1.0] * 5, [4, 8]),
    ],
)
def test_checkpoints_keep_the_epochs_that_keras_keeps(api, options, values, kept, request):
    made = (
        ModelCheckpoint
        if api == "elman"
        else request.getfixturevalue("keras").callbacks.ModelCheckpoint
    )
    ending = ".weights.h5" if options.get("save_weights_only") else ".keras"
    batches = "save_freq" in options
    checkpoint = made("{batch}" + ending if batches else "{epoch}" + ending, **options)
    saved: list[int] = []

    class Model:
        history = elman.callbacks.History()

        def save(self, path: str, **_: Any) -> None:
            assert path.endswith(ending)
            saved.append(int(path.removesuffix(ending)))

        save_weights = save

    checkpoint.set_model(Model())
    if batches:
        for batch in range(10):
            checkpoint.on_epoch_begin(0) if batch == 0 else None
            checkpoint.on_train_batch_end(batch, {"loss": 1.0})
    else:
        for epoch, value in enumerate(values):
            checkpoint.on_epoch_begin(epoch)
            checkpoint.on_epoch_end(epoch, {"loss": value, "val_loss": value})
    assert saved == kept


def test_a_checkpoint_of_batches_holds_the_weights_of_that_batch(tmp_path):
    model = small(trained=False)
    path = tmp_path / "{epoch}-{batch}.weights.h5"
    checkpoint = ModelCheckpoint(path, save_weights_only=True, save_freq=2)
    model.fit(X, Y, batch_size=4, epochs=2, callbacks=[checkpoint], verbose=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "1-2.weights.h5", "2-1.weights.h5", "2-3.weights.h5",
    ]  # fmt: skip
    other = small(trained=False)
    other.load_weights(tmp_path / "2-3.weights.h5")
    assert same(other, model) and other.optimizer.iterations == 6


def test_only_a_checkpoint_of_batches_makes_training_look_up_at_each(tmp_path):
    wants = [
        elman.callbacks.CallbackList([ModelCheckpoint("m.keras", save_freq=f)]).wants_batches
        for f in ("epoch", 5)
    ]
    assert wants == [False, True]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"filepath": "m.h5"}, r"ends in '\.keras'"),
        ({"filepath": "m.keras", "save_weights_only": True}, r"ends in '\.weights\.h5'"),
        ({"filepath": "m.keras", "save_freq": "batch"}, "save_freq"),
        ({"filepath": "m.keras", "save_freq": 0}, "save_freq"),
    ],
)
def test_a_checkpoint_with_a_wrong_option_says_so(options, words):
    with pytest.raises(OptionError, match=words):
        ModelCheckpoint(**options)


def test_a_checkpoint_named_after_what_is_not_logged_says_what_is(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "{val_loss:.2f}.keras")
    with pytest.raises(OptionError, match="a file name of epoch, accuracy, loss, got"):
        small(trained=False).fit(X, Y, callbacks=[checkpoint], verbose=0)


def test_a_best_that_is_not_logged_is_saved_with_one_warning(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=True)
    with pytest.warns(UserWarning, match="it saves whatever comes.*validation_data") as found:
        small(trained=False).fit(X, Y, epochs=2, callbacks=[checkpoint], verbose=0)
    assert len(found) == 1 and len(list(tmp_path.iterdir())) == 2
