"""`docs/keras_compat.md` is true: of every option of Keras's it says what elman does with it.

The page is checked against `golden/options.json`, which `golden/record_options.py` writes, and that
against Keras where it is installed.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import elman
from elman import Sequential, layers
from elman.errors import ElmanError, OptionError, UnknownNameError
from elman.layers import Dense, Embedding, Input
from elman.models.model import COMPILE_IGNORED
from golden.record_options import LAYERS, METHODS, REQUIRED, UNSIGNED, made, plain

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs/keras_compat.md").read_text()
#: What Keras has: options of layers and methods, names of modules.
KERAS: dict[str, dict[str, Any]] = json.loads((TESTS / "golden/options.json").read_text())
#: Modules, and the members of a Sequential.
NAMES = list(KERAS["names"])
VERDICTS = ("same", "differs", "not here")


class Row(NamedTuple):
    """What the page says of one option or name."""

    of: str  # a class, a method or a module
    name: str
    verdict: str
    how: str


def rows() -> Iterator[Row]:
    """Every row of every table, one for each class and option."""
    of: list[str] = []
    for line in PAGE.splitlines():
        if line.startswith("#"):
            of = line.lstrip("# ").split(", ")
        elif line.startswith("| `"):
            first, verdict, how = (cell.strip() for cell in line.strip("|").split("|"))
            only = re.search(r"\(([^)]*)\)$", first)
            for one in only[1].split(", ") if only else of:
                assert one in of, f"{one} is not among {of}"
                for name in re.findall(r"`(\w+)`", first):
                    yield Row(one, name, verdict, how)


ROWS = list(rows())
OPTIONS = [row for row in ROWS if row.of in LAYERS]


def shown(row: Row) -> str:
    return f"{row.of}-{row.name}"


def said(verdict: str, among: list[Row]) -> Any:
    """A test for each of these rows that has this verdict."""
    chosen = [row for row in among if row.verdict == verdict]
    return pytest.mark.parametrize("row", chosen, ids=shown)


# -- complete -------------------------------------------------------------------------------------


def asked_of(name: str) -> set[str]:
    """Every option of a layer, a method or a module that the page must tell of."""
    if name in METHODS:
        return set(KERAS["methods"][name])
    if name in NAMES:
        return set(KERAS["names"][name])
    options, unsigned = (set(KERAS["layers"][name][kind]) for kind in ("options", "unsigned"))
    # What every layer takes is told once, unless a signature names it.
    told = set() if name == "Layer" else set(KERAS["layers"]["Layer"]["unsigned"])
    return options | (unsigned - told)


@pytest.mark.parametrize("name", [*LAYERS, *METHODS, *NAMES])
def test_every_option_of_keras_has_one_row_and_no_row_another(name: str) -> None:
    told = Counter(row.name for row in ROWS if row.of == name)
    assert set(told) == asked_of(name)
    assert set(told.values()) <= {1}


def test_every_row_has_a_place_and_a_verdict() -> None:
    assert {row.of for row in ROWS} <= {*LAYERS, *METHODS, *NAMES}
    assert {row.verdict for row in ROWS} == set(VERDICTS)


def test_every_layer_and_cell_of_elman_is_on_the_page() -> None:
    assert {*layers.LAYERS, *layers.CELLS} <= set(LAYERS)


def test_every_row_that_differs_names_a_test_that_exists() -> None:
    named = {row: re.findall(r"<!-- (test_\w+)::(test_\w+) -->", row.how) for row in ROWS}
    for row, tests in named.items():
        assert len(tests) == (row.verdict == "differs"), row
        for module, test in tests:
            text = (TESTS / f"{module}.py").read_text()
            assert re.search(rf"^def {test}\(", text, re.MULTILINE), row


def test_what_is_recorded_is_what_keras_has_now(keras: Any) -> None:
    if keras.backend.backend() != "jax":
        pytest.skip("Keras's models have other members on each backend")
    # By itself: what other tests have done to Keras's classes shows in what they have.
    code = (
        "import json, keras; from golden.record_options import ask; print(json.dumps(ask(keras)))"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "KERAS_BACKEND": "jax"}
    run = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(run, env=here, capture_output=True, text=True, check=True)
    asked = json.loads(done.stdout.splitlines()[-1])
    assert asked == KERAS, "run tests/golden/record_options.py, and write the rows that are missed"


# -- true -----------------------------------------------------------------------------------------


@said("same", OPTIONS)
def test_the_same_option_has_the_default_of_keras_and_is_in_the_config(row: Row) -> None:
    recorded = KERAS["layers"][row.of]
    if row.name not in recorded["options"] or row.name == "weights":
        made(elman, row.of, **{row.name: UNSIGNED.get(row.name)})  # no part of a config in Keras
        return
    default = recorded["options"][row.name]
    given = {} if default == REQUIRED else {row.name: default}
    config = made(elman, row.of, **given).get_config()
    if row.name != "activity_regularizer":  # of None not every layer of Keras's takes a word
        assert row.name in config
    if row.name in recorded["config"]:
        mine = json.loads(json.dumps(plain(config.get(row.name))))
        assert bare(mine) == bare(recorded["config"][row.name])
    # Left out, it has that value.
    assert made(elman, row.of).get_config() == config


@said("same", [row for row in OPTIONS if row.name in KERAS["layers"][row.of]["other"]])
def test_the_same_option_is_heeded_in_the_config_at_another_value_too(row: Row) -> None:
    other = KERAS["layers"][row.of]["other"][row.name]
    config = made(elman, row.of, **{row.name: other["given"]}).get_config()
    assert bare(json.loads(json.dumps(plain(config[row.name])))) == bare(other["config"])
    assert config != made(elman, row.of).get_config()


def bare(value: Any) -> Any:
    """Of a layer inside another its class, as its options have rows; else what is not None."""
    if not isinstance(value, dict):
        return value
    if "name" in value.get("config", {}):
        return value["class_name"]
    return {key: bare(part) for key, part in value.items() if part is not None}


def advice(error: pytest.ExceptionInfo[ElmanError]) -> str:
    """What an error says after it said what it got."""
    return str(error.value).partition("got")[2].partition(". ")[2]


@said("not here", OPTIONS)
def test_what_is_not_here_is_refused_with_what_to_do(row: Row) -> None:
    shown_value = re.match(rf"`{row.name}=(.*?)`: \w+", row.how)
    assert shown_value, "the row shows no value, or does not say what to do"
    value = ast.literal_eval(shown_value[1])
    with pytest.raises((OptionError, UnknownNameError), match=row.name) as error:
        made(elman, row.of, **{row.name: value})
    assert advice(error)


@pytest.mark.parametrize("row", [row for row in ROWS if row.of in METHODS], ids=shown)
def test_a_method_has_the_options_and_defaults_that_the_page_says(row: Row) -> None:
    wanted = KERAS["methods"][row.of][row.name]
    found = inspect.signature(getattr(Sequential, row.of)).parameters.get(row.name)
    if row.verdict == "not here":
        value = ast.literal_eval(re.match(rf"`{row.name}=(.*?)`", row.how)[1])  # type: ignore[index]
        with pytest.raises(OptionError, match=row.name) as error:
            getattr(Sequential([Input((2,)), Dense(1)]), row.of)(loss="mse", **{row.name: value})
        assert advice(error)
    elif row.name in COMPILE_IGNORED:
        assert row.verdict == "differs"
    else:
        assert found is not None
        # elman's fit and evaluate, too, may leave out what has no default in Keras.
        assert wanted == REQUIRED or plain(found.default) == wanted


@pytest.mark.parametrize("row", [row for row in ROWS if row.of in NAMES], ids=shown)
def test_a_name_is_known_or_refused_as_the_page_says(row: Row) -> None:
    space: Any = Sequential([Input((2,)), Dense(1)]) if row.of == "Sequential" else elman
    for part in row.of.split(".") if space is elman else ():
        space = getattr(space, part)
    if row.verdict == "not here":
        assert not hasattr(space, row.name)
        if hasattr(space, "get"):
            with pytest.raises(UnknownNameError, match=row.name) as error:
                space.get(row.name)
            assert advice(error)
        return
    found = getattr(space, row.name)
    own = found.options() if hasattr(found, "options") else signed(found)
    lacking = {
        name
        for name, default in KERAS["names"][row.of][row.name].items()
        # A name that Keras makes up later is one that elman has from the start.
        if name != "name" and (name not in own or unlike(own[name], default))
    }
    admitted = set(re.findall(r"`(\w+)`", row.how)) if row.verdict == "differs" else set()
    assert lacking == admitted


def signed(function: Any) -> dict[str, Any]:
    if not callable(function):
        return {}
    parameters = inspect.signature(function).parameters
    return {n: ... if p.default is p.empty else p.default for n, p in parameters.items()}


def unlike(own: Any, default: Any) -> bool:
    return default != REQUIRED if own is ... else plain(own) != default


# -- what differs and has no test elsewhere -------------------------------------------------------


def test_simple_rnn_applies_its_activity_regularizer() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 2)).astype("f4")
    y = np.zeros((2, 4), "f4")
    losses = []
    for rule in (None, "l2"):
        model = Sequential([Input((3, 2)), layers.SimpleRNN(4, activity_regularizer=rule)])
        model.set_weights([np.full(w.shape, 0.3, "f4") for w in model.get_weights()])
        model.compile("sgd", "mse")
        losses.append(model.evaluate(x, y, verbose=0))
    outputs = model.predict(x, verbose=0)
    assert losses[1] - losses[0] == pytest.approx(0.01 * np.square(outputs).sum() / 2, rel=1e-5)


@pytest.mark.parametrize("kind", ["Dropout", "SpatialDropout1D", "GaussianDropout"])
def test_a_rate_of_one_is_refused(kind: str) -> None:
    with pytest.raises(OptionError, match=r"rate .*\[0, 1\)"):
        getattr(layers, kind)(1.0)


def test_concatenate_takes_two_axes() -> None:
    parts = [np.ones((2, 3, 4), "f4"), np.zeros((2, 3, 4), "f4")]
    for axis in (-1, 1):
        joined = layers.Concatenate(axis)(parts)
        np.testing.assert_array_equal(joined, np.concatenate(parts, axis))
    with pytest.raises(OptionError, match="batch axis stays"):
        layers.Concatenate(0)


def test_an_option_without_effect_changes_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("f4")
    y = np.ones((4, 1), "f4")

    def trained(seed: int | None, compiled: dict[str, Any], **options: Any) -> list[Any]:
        elman.set_random_seed(1)
        model = Sequential(
            [
                Input((3, 2)),
                layers.BatchNormalization(**options),
                layers.GRU(3, dropout=0.2, recurrent_dropout=0.2, seed=seed),
                layers.Dropout(0.5, seed=seed),
                Dense(1),
            ]
        )
        model.compile("sgd", "mse", **compiled)
        model.fit(x, y, verbose=0)
        return model.get_weights()

    without_effect = {
        "run_eagerly": True,
        "jit_compile": False,
        "steps_per_execution": 7,
        "auto_scale_loss": False,
    }
    assert set(without_effect) == COMPILE_IGNORED
    for a, b in zip(
        trained(None, {}), trained(3, without_effect, renorm_momentum=0.5), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_generator_is_refused_with_what_to_do() -> None:
    model = Sequential([Input((2,)), Dense(1)])
    model.compile("sgd", "mse")
    batches = ((np.ones((2, 2)), np.ones((2, 1))) for _ in range(3))
    with pytest.raises(ElmanError, match=r"as an array, got generator\. .*mmap_mode"):
        model.fit(batches, np.ones((2, 1)), verbose=0)
    with pytest.raises(ElmanError, match="got generator"):
        model.fit(batches, verbose=0)


# -- what else the page says of numbers -----------------------------------------------------------


def test_the_derivative_of_l1_at_zero_is_zero() -> None:
    model = Sequential([Input((2,)), Dense(1, kernel_regularizer=elman.regularizers.L1(0.5))])
    model.set_weights([np.zeros((2, 1)), np.zeros(1)])
    model.compile(elman.optimizers.SGD(1.0), "mse")
    model.train_on_batch(np.zeros((1, 2)), np.zeros((1, 1)))
    np.testing.assert_array_equal(model.get_weights()[0], 0)


def test_a_very_confident_mistake_is_not_clipped_behind_a_sigmoid() -> None:
    x, y = np.full((1, 1), 100.0), np.zeros((1, 1))
    for behind, loss in (([], 100), ([layers.Reshape((1,))], -np.log(1e-7))):
        model = Sequential([Input((1,)), Dense(1, "sigmoid"), *behind])
        model.set_weights([np.ones((1, 1)), np.zeros(1)])
        model.compile("sgd", "binary_crossentropy")
        assert model.evaluate(x, y, verbose=0) == pytest.approx(loss, rel=0.02)


def test_a_mask_of_steps_passes_a_softmax() -> None:
    model = Sequential([Embedding(4, 3, mask_zero=True), layers.Softmax(), layers.LSTM(2)])
    tokens = np.array([[1, 2, 0, 0]])
    np.testing.assert_array_equal(
        model.predict(tokens, verbose=0), model.predict(tokens[:, :2], verbose=0)
    )


def test_an_embedding_begins_with_the_weights_it_is_given() -> None:
    table = np.arange(8, dtype="f4").reshape(4, 2)
    for given in (table, [table]):
        layer = Embedding(4, 2, weights=given)
        np.testing.assert_array_equal(Sequential([layer]).get_weights()[0], table)
        assert "weights" not in layer.get_config()
    with pytest.raises(ElmanError, match=r"\(4, 2\)"):
        Embedding(4, 2, weights=table.T)


def test_a_first_layer_takes_its_features_as_input_dim() -> None:
    assert Sequential([Dense(2, input_dim=3)]).input_shape == (None, 3)
