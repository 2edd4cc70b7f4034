"""Older .h5 files: Keras 3 writes them live; those of Keras 2 are written here as it wrote them."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import elman
from elman import ElmanError, FileError, Sequential
from elman.layers import GRU, LSTM, Dense
from test_saving_safety import attempt, mutated, mutated_value

RNG = np.random.default_rng(1997)
ROWS, STEPS, F, H = 6, 5, 3, 4
X = RNG.normal(size=(ROWS, STEPS, F)).astype("f4")
Y = RNG.normal(size=(ROWS, 1)).astype("f4")

Entry = dict[str, Any]


def draw(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape, scale=0.5).astype("f4")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def old_hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """Keras 2's."""
    return np.clip(0.2 * x + 0.5, 0, 1)


# -- writing as Keras 2 did ------------------------------------------------------------------------


def entry(kind: str, name: str, **options: Any) -> Entry:
    """A layer in Keras 2's spelling: no module, plain initializers."""
    plain = {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
    }
    if kind not in ("Masking", "Bidirectional"):
        options.setdefault("kernel_initializer", plain)
        options.setdefault("bias_initializer", {"class_name": "Zeros", "config": {}})
    return {"class_name": kind, "config": {"name": name, "trainable": True, **options}}  # fmt: skip


def cell(kind: str, **options: Any) -> Entry:
    """The first layer, recurrent."""
    shape = {"batch_input_shape": [None, STEPS, F], "dtype": "float32"}
    return entry(kind, "cell", units=H, implementation=1, **{**shape, **options})


def write(
    path: Path,
    layers: list[Entry],
    weights: dict[str, np.ndarray],
    version: str = "2.2.4",
    as_list: bool = False,
    training: Entry | None = None,
) -> Path:
    """A file as Keras 2 wrote it; weights by `layer/path`."""
    config: Any = layers if as_list else {"name": "sequential_1", "layers": layers}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version.encode()
        file.attrs["backend"] = b"tensorflow"
        text = json.dumps({"class_name": "Sequential", "config": config})
        file.attrs["model_config"] = text.encode()
        if training is not None:
            file.attrs["training_config"] = json.dumps(training).encode()
        root = file.create_group("model_weights")
        names = [layer["config"]["name"] for layer in layers]
        root.attrs["layer_names"] = np.array([n.encode() for n in names])
        for name in names:
            group = root.create_group(name)
            own = [w.split("/", 1)[1] for w in weights if w.split("/", 1)[0] == name]
            group.attrs["weight_names"] = np.array([w.encode() for w in own], "S99")
            for w in own:
                group[w] = weights[f"{name}/{w}"]
    return path


def under(prefix: str, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    names = ("kernel:0", "recurrent_kernel:0", "bias:0")
    return {f"{prefix}/{n}": a for n, a in zip(names, arrays, strict=False)}


# -- cuDNN ----------------------------------------------------------------------------------------


def cudnn_cell(kind: str, arrays: list[np.ndarray]) -> np.ndarray:
    """The formulas in the documentation of cudnnRNNForward, each gate with its own W, R, b, c."""
    kernel, recurrent, bias = arrays
    gates = 4 if kind == "CuDNNLSTM" else 3
    W = [k.ravel().reshape(H, F) for k in np.split(kernel, gates, axis=1)]
    R = [r.ravel().reshape(H, H) for r in np.split(recurrent, gates, axis=1)]
    b, c = bias.reshape(2, gates, H)
    h = np.zeros((ROWS, H))
    memory = np.zeros((ROWS, H))
    for x in X.swapaxes(0, 1).astype("f8"):
        in_ = [x @ w.T + own for w, own in zip(W, b, strict=True)]
        re = [h @ r.T + own for r, own in zip(R, c, strict=True)]
        if kind == "CuDNNLSTM":
            i, f, g, o = (p + q for p, q in zip(in_, re, strict=True))
            memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(memory)
        else:
            z, r = sigmoid(in_[0] + re[0]), sigmoid(in_[1] + re[1])
            h = (1 - z) * np.tanh(in_[2] + r * re[2]) + z * h
    return h


def cudnn_arrays(kind: str) -> list[np.ndarray]:
    gates = 4 if kind == "CuDNNLSTM" else 3
    return [draw(F, gates * H), draw(H, gates * H), draw(2 * gates * H)]


@pytest.mark.parametrize("kind", ["CuDNNLSTM", "CuDNNGRU"])
def test_layers_of_cudnn_predict_what_its_formula_says(kind, tmp_path):
    arrays = cudnn_arrays(kind)
    weights = under("cell/cell", arrays)
    model = elman.load(write(tmp_path / "m.h5", [cell(kind)], weights))
    assert type(model.layers[0]) is {"CuDNNLSTM": LSTM, "CuDNNGRU": GRU}[kind]
    wanted = cudnn_cell(kind, arrays)
    np.testing.assert_allclose(model.predict(X, verbose=0), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["CuDNNLSTM", "CuDNNGRU"])
def test_weights_of_cudnn_go_into_a_layer_of_the_same_name(kind, tmp_path):
    arrays = cudnn_arrays(kind)
    path = write(tmp_path / "m.h5", [cell(kind)], under("cell/cell", arrays))
    layer = {"CuDNNLSTM": LSTM, "CuDNNGRU": GRU}[kind](H, name="cell")
    model = Sequential([elman.Input((STEPS, F)), layer])
    model.load_weights(path)
    wanted = cudnn_cell(kind, arrays)
    np.testing.assert_allclose(model.predict(X, verbose=0), wanted, rtol=1e-5, atol=1e-6)


def test_cudnn_inside_bidirectional_is_turned_for_each_direction(tmp_path):
    arrays = [cudnn_arrays("CuDNNLSTM") for _ in range(2)]
    inner = {"class_name": "CuDNNLSTM", "config": {"name": "cu", "units": H}}
    shape = [None, STEPS, F]
    both = entry("Bidirectional", "both", layer=inner, merge_mode="concat", batch_input_shape=shape)
    weights = under("both/both/forward_cu", arrays[0]) | under("both/both/backward_cu", arrays[1])
    found = elman.load(write(tmp_path / "m.h5", [both], weights)).predict(X, verbose=0)
    wanted = cudnn_cell("CuDNNLSTM", arrays[0])
    np.testing.assert_allclose(found[:, :H], wanted, rtol=1e-5, atol=1e-6)
    alone = write(tmp_path / "n.h5", [cell("CuDNNLSTM")], under("cell/cell", arrays[1]))
    back = elman.load(alone).predict(X[:, ::-1], verbose=0)
    np.testing.assert_allclose(found[:, H:], back, rtol=1e-5, atol=1e-6)


# -- spellings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bias", "after"), [((3 * H,), False), ((2, 3 * H), True)])
def test_a_gru_that_does_not_say_how_it_resets_is_told_by_its_bias(bias, after, tmp_path):
    arrays = [draw(F, 3 * H), draw(H, 3 * H), draw(*bias)]
    path = write(tmp_path / "m.h5", [cell("GRU")], under("cell/cell_2", arrays))
    model = elman.load(path)
    assert model.layers[0].reset_after is after
    wanted = Sequential([elman.Input((STEPS, F)), GRU(H, reset_after=after)])
    wanted.set_weights(arrays)
    assert np.array_equal(model.predict(X, verbose=0), wanted.predict(X, verbose=0))


@pytest.mark.parametrize("as_list", [False, True])
def test_a_model_of_keras_2_opens_compiled(as_list, tmp_path):
    tokens = {"input_dim": 7, "output_dim": F, "input_length": STEPS, "mask_zero": True}
    zero = {
        "class_name": "RandomUniform",
        "config": {"minval": -1, "maxval": 1, "dtype": "float32"},
    }
    layers = [
        {"class_name": "Embedding",
         "config": {"name": "e", **tokens, "batch_input_shape": [None, STEPS], "dtype": "int32",
                    "embeddings_initializer": zero}},
        entry("Masking", "m", mask_value=0.0),
        entry("LSTM", "l", units=H, unroll=False, implementation=2, time_major=False,
              recurrent_activation="sigmoid", return_state=False, stateful=False),
        entry("Dense", "d", units=1, activation="sigmoid", activity_regularizer=None),
    ]  # fmt: skip
    arrays = [draw(7, F), draw(F, 4 * H), draw(H, 4 * H), draw(4 * H), draw(H, 1), draw(1)]
    weights = {
        "e/e/embeddings:0": arrays[0],
        **under("l/l/lstm_cell_3", arrays[1:4]),
        "d/d/kernel:0": arrays[4],
        "d/d/bias:0": arrays[5],
    }
    training = {
        "optimizer_config": {
            "class_name": "Custom>Adam",
            "config": {"lr": 0.02, "beta_1": 0.8, "decay": 0.0, "epsilon": 1e-7, "amsgrad": False},
        },
        "loss": {"class_name": "BinaryCrossentropy", "config": {"reduction": "auto", "fn": "x"}},
        "metrics": [[{"class_name": "MeanMetricWrapper",
                      "config": {"name": "right", "dtype": "float32", "fn": "binary_accuracy"}}]],
        "sample_weight_mode": None,
        "loss_weights": None,
    }  # fmt: skip
    path = write(tmp_path / "m.h5", layers, weights, as_list=as_list, training=training)
    model = elman.load(path)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), arrays, strict=True))
    assert model.optimizer.learning_rate == pytest.approx(0.02)
    assert model.optimizer.beta_1 == 0.8
    tokens = np.ones((2, STEPS), int)
    assert "right" in model.evaluate(tokens, np.ones(2), verbose=0, return_dict=True)
    assert elman.load(path, compile=False).optimizer is None


def test_a_rate_that_decays_is_a_schedule_today(tmp_path):
    training = {"optimizer_config": {"class_name": "SGD", "config": {"lr": 0.5, "decay": 0.1}},
                "loss": "mean_squared_error", "metrics": []}  # fmt: skip
    weights = under("cell/cell", [draw(F, H), draw(H, H), draw(H)])
    path = write(tmp_path / "m.h5", [cell("SimpleRNN")], weights, training=training)
    schedule = elman.load(path).optimizer.schedule
    assert [schedule(step) for step in (0, 5)] == pytest.approx([0.5, 0.5 / 1.5])


def test_the_hard_sigmoid_of_keras_2_is_kept_by_larger_weights(tmp_path):
    kernel, recurrent, bias = draw(F, 4 * H) * 4, draw(H, 4 * H), draw(4 * H)
    options = {"recurrent_activation": "hard_sigmoid"}
    weights = under("cell/cell", [kernel, recurrent, bias])
    h = c = np.zeros((ROWS, H))
    for x in X.swapaxes(0, 1):
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
        c = old_hard_sigmoid(f) * c + old_hard_sigmoid(i) * np.tanh(g)
        h = old_hard_sigmoid(o) * np.tanh(c)
    path = write(tmp_path / "m.h5", [cell("LSTM", **options)], weights)
    with pytest.warns(UserWarning, match=r"1\.2 times as large"):
        old = elman.load(path)
    np.testing.assert_allclose(old.predict(X, verbose=0), h, rtol=1e-5, atol=1e-6)
    new = elman.load(write(tmp_path / "n.h5", [cell("LSTM", **options)], weights, "3.1.0"))
    assert np.abs(new.predict(X, verbose=0) - h).max() > 1e-3
    assert np.array_equal(new.get_weights()[0], kernel)


def test_a_hard_sigmoid_that_no_weight_can_keep_is_refused(tmp_path):
    weights = under("cell/cell", [draw(F, 4 * H), draw(H, 4 * H), draw(4 * H)])
    path = write(tmp_path / "m.h5", [cell("LSTM", activation="hard_sigmoid")], weights)
    with pytest.raises(FileError, match=r"LSTM 'cell' with activation='hard_sigmoid'.*Keras 2"):
        elman.load(path)


# -- Keras 3 writes them ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("amsgrad", [False, True])
def test_training_goes_on_from_a_file_of_keras_3(amsgrad, keras, tmp_path):
    layers = keras.layers
    theirs = keras.Sequential(
        [
            keras.Input((STEPS, F)),
            layers.Masking(),
            layers.Bidirectional(layers.GRU(H, return_sequences=True)),
            layers.LSTM(2, return_sequences=True),
            layers.SimpleRNN(3),
            layers.Dense(1),
        ]
    )
    optimizer = keras.optimizers.Adam(0.02, amsgrad=amsgrad)
    theirs.compile(optimizer, keras.losses.MeanSquaredError())
    fit = {"x": X, "y": Y, "epochs": 3, "shuffle": False, "verbose": 0}
    theirs.fit(**fit)
    theirs.save(tmp_path / "m.h5")
    theirs.save_weights(tmp_path / "m.weights.h5")
    ours = elman.load(tmp_path / "m.h5")
    assert ours.optimizer.iterations == 3
    twin = Sequential.from_config(ours.get_config())
    twin.build((None, STEPS, F))
    for file in ("m.h5", "m.weights.h5"):
        twin.load_weights(tmp_path / file)
        assert np.array_equal(twin.get_weights()[1], np.array(theirs.get_weights()[1]))
    for model in (ours, theirs):
        model.fit(**fit)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "form", ["{path}/{short}:0", "{short}/{path}:0", "training/{path}/{short}"]
)
def test_what_adam_kept_in_keras_2_goes_on(form, tmp_path):
    model = Sequential([elman.Input((F,)), Dense(2, name="d"), Dense(1, name="e")])
    model.compile(elman.optimizers.Adam(0.02), "mse")
    fit = {"x": X[:, 0], "y": Y, "epochs": 3, "shuffle": False, "verbose": 0}
    model.fit(**fit)
    names = ["d/kernel", "d/bias", "e/kernel", "e/bias"]
    arrays = model.get_weights()
    weights = {f"{n[0]}/{n}:0": a for n, a in zip(names, arrays, strict=True)}
    layers = [
        entry("Dense", "d", units=2, batch_input_shape=[None, F]),
        entry("Dense", "e", units=1),
    ]
    training = {"optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.02}},
                "loss": "mse", "metrics": None}  # fmt: skip
    path = write(tmp_path / "m.h5", layers, weights, training=training)
    with h5py.File(path, "a") as file:
        file["optimizer_weights/Adam/iter:0"] = np.int64(3)
        for index, name in enumerate(names):
            for moment, short in enumerate("mv"):
                place = form.format(path=name, short=short)
                native = model.trained_optimizer
                file[f"optimizer_weights/Adam/{place}"] = native.moment(moment, index)
    again = elman.load(path)
    assert again.optimizer.iterations == 3
    for each in (model, again):
        each.fit(**fit)
    assert all(map(np.array_equal, model.get_weights(), again.get_weights()))


def test_an_optimizer_of_another_layout_starts_afresh_with_a_warning(tmp_path):
    training = {"optimizer_config": {"class_name": "Adam", "config": {}}, "loss": "mse"}
    weights = under("cell/cell", [draw(F, H), draw(H, H), draw(H)])
    path = write(tmp_path / "m.h5", [cell("SimpleRNN")], weights, training=training)
    with h5py.File(path, "a") as file:
        file["optimizer_weights/training/Adam/Variable:0"] = draw(F, H)
    with pytest.warns(UserWarning, match="training goes on with a fresh one"):
        model = elman.load(path)
    assert model.optimizer.iterations == 0


# -- files made to do harm -------------------------------------------------------------------------

KERNEL = "model_weights/cell/cell/kernel:0"


def instead(**options: Any) -> Callable[[h5py.File], Any]:
    """Another dataset in the place of the kernel [F, H]."""

    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, **options)

    return change


def virtual(file: h5py.File) -> None:
    del file[KERNEL]
    layout = h5py.VirtualLayout((F, H), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (F, H))
    file.create_virtual_dataset(KERNEL, layout)


def linked(place: str, link: Any) -> Callable[[h5py.File], Any]:
    def change(file: h5py.File) -> None:
        del file[place]
        file[place] = link

    return change


def circle(file: h5py.File) -> None:
    file["model_weights/cell/again"] = file["model_weights"]


def config(change: Callable[[Entry], Any]) -> Callable[[h5py.File], Any]:
    """The config after a change of the layer's entry."""

    def changed(file: h5py.File) -> None:
        written = json.loads(file.attrs["model_config"])
        change(written["config"]["layers"][0])
        file.attrs["model_config"] = json.dumps(written)

    return changed


def attribute(value: Any) -> Callable[[h5py.File], Any]:
    return lambda file: file.attrs.__setitem__("model_config", value)


CODE = {"class_name": "Lambda", "config": {"function": ["4wEAAAAAAAAA", None, None]}}

HARM: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "an external link": (linked(KERNEL, h5py.ExternalLink("/etc/passwd", "x")), "an external link"),
    "a soft link": (linked(KERNEL, h5py.SoftLink("/model_weights/cell/cell")), "a soft link"),
    "a linked group": (
        linked("model_weights/cell", h5py.ExternalLink("/etc/passwd", "x")), "an external link",
    ),
    "a virtual dataset": (virtual, "a virtual dataset"),
    "external storage": (
        instead(shape=(F, H), dtype="f4", external=[("/etc/passwd", 0, 48)]), "external storage",
    ),
    "a filter": (instead(data=np.zeros((F, H), "f4"), compression="gzip"), "behind a filter"),
    "a shape without numbers": (instead(shape=(F, H), dtype="f4"), "a shape bomb"),
    "a huge shape": (instead(shape=(2**40, H), dtype="f4"), "instead of (3, 4)"),
    "text for numbers": (instead(data=np.full((F, H), b"abc")), "numbers of type |S3"),
    "nothing": (lambda f: f.pop(KERNEL), "nothing at"),
    "two of one name": (
        lambda f: f.create_dataset("model_weights/cell/b/kernel:0", data=draw(F, H)), "2 arrays",
    ),
    "a circle": (circle, "more inside than any model has"),
    "marshalled code": (config(lambda e: e.update(CODE)), "Python code in a Lambda"),
    "a class of any module": (
        config(lambda e: e.update(module="os", class_name="system")), "the class os.system",
    ),
    "a class elman lacks": (config(lambda e: e.update(class_name="TFSMLayer")), "TFSMLayer"),
    "a function as an option": (
        config(lambda e: e["config"].update(activation={
            "module": "os", "class_name": "function", "config": "system"})),
        "the function os.system",
    ),
    "time before the batch": (
        config(lambda e: e["config"].update(time_major=True)), "time_major=True",
    ),
    "a class name that is no text": (config(lambda e: e.update(class_name=[1])), "[1]"),
    "no config at all": (lambda f: f.attrs.pop("model_config"), "weights without one"),
    "a config of numbers": (attribute(np.zeros(3)), "an attribute of type float64"),
    "many configs": (attribute(["{}"] * 9), "an attribute of type"),
    "a config that is no JSON": (attribute("{"), "no JSON"),
    "a config that is a list": (attribute("[]"), "no object"),
    "a config too deep": (attribute("[" * 10**5), "nested too deep"),
    "a config that is too long": (attribute(" " * (5 * 2**20)), "letters of text"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARM)
def test_harm_in_an_older_file_is_refused_by_its_name(name, tmp_path):
    change, words = HARM[name]
    weights = under("cell/cell", [draw(F, H), draw(H, H), draw(H)])
    path = write(tmp_path / "m.h5", [cell("SimpleRNN")], weights)
    elman.load(path)
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(ElmanError) as raised:
        elman.load(path)
    assert words in str(raised.value), raised.value
    assert len(str(raised.value)) < 1500


def test_two_layers_of_one_name_do_not_share_their_arrays(tmp_path):
    layers = [
        entry("Dense", "d", units=F, batch_input_shape=[None, F]),
        entry("Dense", "d", units=F),
    ]
    path = tmp_path / "m.h5"
    write(path, layers[:1], {"d/d/kernel:0": draw(F, F), "d/d/bias:0": draw(F)})
    with h5py.File(path, "a") as file:
        written = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        file.attrs["model_config"] = json.dumps(written)
    with pytest.raises(FileError, match="one array for two weights"):
        elman.load(path)


def test_a_maze_of_groups_is_left_early(tmp_path):
    # Sixteen times two ways on, under the name of each of a hundred layers.
    layers = [entry("Dense", f"d{i}", units=F) for i in range(100)]
    layers[0]["config"]["batch_input_shape"] = [None, F]
    path = write(tmp_path / "m.h5", layers, {})
    with h5py.File(path, "a") as file:
        inner = file.create_group("inner")
        for _ in range(13):
            outer = file.create_group(None)
            outer["a"], outer["b"] = inner, inner
            inner = outer
        for i in range(100):
            del file[f"model_weights/d{i}"]
            file[f"model_weights/d{i}"] = inner
    began = time.monotonic()
    with pytest.raises(FileError, match="more inside than any model has"):
        elman.load(path)
    assert time.monotonic() - began < 60, "a file that hangs"


@pytest.mark.filterwarnings("ignore")
def test_mutants_of_an_older_file_raise_nothing_but_errors_of_elman(tmp_path):
    rng = random.Random(1990)
    good = Path(__file__).parent.joinpath("golden", "lstm.h5").read_bytes()
    path = tmp_path / "m.h5"
    found = {"opened": 0, "refused": 0}
    end = time.monotonic() + 3
    while time.monotonic() < end:
        path.write_bytes(good)
        if rng.random() < 0.5:
            path.write_bytes(mutated(good, rng))
        else:
            name = rng.choice(["model_config", "training_config"])
            with h5py.File(path, "a") as file:
                text = json.dumps(mutated_value(json.loads(file.attrs[name]), rng))
                file.attrs[name] = text
        attempt(path, found)
    assert found["opened"] and found["refused"], found
