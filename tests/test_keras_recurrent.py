"""Recurrent options before real Keras in the same run: every kind of mask, with every option."""

from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import elman
from cases import CELLS, every_cell, kept_steps
from harness import randomize

Array = np.ndarray[Any, np.dtype[Any]]

PATTERNS = ("unmasked", "right", "left", "holes")
TIMES = [
    {"go_backwards": b, "return_sequences": s, "zero_output_for_mask": z}
    for b, s, z in itertools.product((False, True), repeat=3)
]
#: In predict nothing is dropped, whatever these say.
DROPPED = {"dropout": 0.2, "recurrent_dropout": 0.3}


def data(rows: int | None, steps: int) -> Array:
    """Sequences with each kind of mask, and such that are masked throughout."""
    kept = np.concatenate([kept_steps(p, rows or 5, steps) for p in PATTERNS])
    kept = kept if rows is None else kept[:rows]
    x = np.random.default_rng(steps).normal(size=(*kept.shape, 3))
    return np.where(kept[..., None], x, 0.0).astype("f4")


def cell_of(api: Any, name: str, units: int, of: str = "", **options: Any) -> Any:
    """A layer, or with `of="Cell"` a cell, by the native name of its cell."""
    kind, form = CELLS[name]
    return getattr(api.layers, kind.__name__ + of)(units, **form, **options)


def rnn(api: Any, name: str, time: dict[str, Any]) -> Any:
    return api.layers.RNN(cell_of(api, name, 5, "Cell", **DROPPED), **time)


def stacked(api: Any, name: str, time: dict[str, Any]) -> Any:
    """The cell above two others, and below one."""
    cells = [cell_of(api, n, u, "Cell") for n, u in (("gru", 4), ("lstm", 3), (name, 5))]
    cells.append(cell_of(api, "lstm", 2, "Cell", **DROPPED))
    return api.layers.RNN(api.layers.StackedRNNCells(cells), **time)


def plain(api: Any, name: str, time: dict[str, Any]) -> Any:
    return cell_of(api, name, 5, **time, **DROPPED)


def both_ways(api: Any, name: str, time: dict[str, Any]) -> Any:
    """Bidirectional, which zeroes what is masked in any case; its own backward layer."""
    mode = "mul" if time["zero_output_for_mask"] else "concat"
    back = {**time, "go_backwards": not time["go_backwards"]}
    one, other = cell_of(api, name, 5, **time), cell_of(api, "gru", 5, **back, **DROPPED)
    return api.layers.Bidirectional(one, merge_mode=mode, backward_layer=other)


FORMS = {"plain": plain, "rnn": rnn, "stacked": stacked, "both ways": both_ways}


def models(keras: Any, make: Any, name: str, time: dict[str, Any], mask: bool) -> tuple[Any, Any]:
    """The same model twice, with the same weights: elman's, and Keras's."""
    made = []
    for api in (elman, keras):
        masking = [api.layers.Masking()] if mask else []
        layers = [api.Input((None, 3)), *masking, make(api, name, time), api.layers.Dense(2)]
        made.append(api.Sequential(layers))
    randomize(made[0], len(name))
    made[1].set_weights(made[0].get_weights())
    return made[0], made[1]


def asked(theirs: Any, x: Array, **options: Any) -> Array:
    """What Keras answers. To compile each of so many small models would take it minutes."""
    jax = pytest.importorskip("jax")
    with jax.disable_jit():
        return np.asarray(theirs(x, **options))


@pytest.mark.parametrize("time", TIMES, ids=lambda t: "-".join(k for k in t if t[k]) or "plain")
@every_cell
@pytest.mark.parametrize("form", FORMS)
def test_every_mask_with_every_option_predicts_what_keras_does(
    form: str, name: str, time: dict[str, Any], keras: ModuleType
) -> None:
    ours, theirs = models(keras, FORMS[form], name, time, mask=True)
    for rows, steps in ((None, 5), *[(1, 7), (3, 1)][: None if form == "plain" else 1]):
        x = data(rows, steps)
        np.testing.assert_allclose(ours.predict(x, verbose=0), asked(theirs, x), atol=1e-5)
    if name == "gru":
        ours, theirs = models(keras, FORMS[form], name, time, mask=False)
        x = data(None, 5)
        np.testing.assert_allclose(ours.predict(x, verbose=0), asked(theirs, x), atol=1e-5)


@every_cell
@pytest.mark.parametrize("time", [TIMES[0], TIMES[3], TIMES[6]], ids=str)
def test_a_gate_sees_its_own_part_of_the_state_as_in_keras(
    name: str, time: dict[str, Any], keras: ModuleType
) -> None:
    def make(api: Any, name: str, time: dict[str, Any]) -> Any:
        return cell_of(api, name, 5, recurrent_dropout=0.4, **time)

    ours, theirs = models(keras, make, name, time, mask=True)
    x = data(None, 5)
    plan = ours.plan_for(x, rows=len(x), training=True)
    found = plan.forward(x, 7)
    keep = plan.native.peek(f"{ours.layers[1].name}/recurrent_dropout")
    assert 0.2 < (keep == 0).mean() < 0.6
    cell = theirs.layers[1].cell
    masks = [keras.ops.convert_to_tensor(keep[:, g]) for g in range(keep.shape[1])]
    cell._recurrent_dropout_mask = masks if hasattr(cell, "dropout_mask_count") else masks[0]
    np.testing.assert_allclose(found, asked(theirs, x, training=True), atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_twenty_steps_of_training_lead_where_keras_goes(form: str, keras: ModuleType) -> None:
    time = {"go_backwards": True, "return_sequences": True, "zero_output_for_mask": True}

    def make(api: Any, name: str, time: dict[str, Any]) -> Any:
        made = FORMS[form](api, name, time)
        return type(made).from_config(undropped(made.get_config()))

    ours, theirs = models(keras, make, "lstm", time, mask=True)
    x = data(None, 5)
    y = np.random.default_rng(1).normal(size=(len(x), 5, 2)).astype("f4")
    before = ours.get_weights()
    for model in (ours, theirs):
        model.compile("adam", "mean_squared_error")
        model.fit(x, y, batch_size=5, epochs=5, shuffle=False, verbose=0)
    for start, found, wanted in zip(before, ours.get_weights(), theirs.get_weights(), strict=True):
        assert np.abs(wanted - start).max() > 0.005
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def undropped(config: Any) -> Any:
    """A config in which nothing is dropped: Keras draws other numbers."""
    if isinstance(config, list):
        return [undropped(each) for each in config]
    if not isinstance(config, dict):
        return config
    return {k: 0.0 if k in DROPPED else undropped(v) for k, v in config.items()}


@pytest.mark.parametrize("form", ["plain", "rnn", "stacked", "both ways"])
def test_a_file_goes_both_ways(form: str, keras: ModuleType, tmp_path: Any) -> None:
    time = {"go_backwards": False, "return_sequences": True, "zero_output_for_mask": True}
    ours, theirs = models(keras, FORMS[form], "gru_reset_before", time, mask=True)
    x = data(None, 5)
    wanted = asked(theirs, x)
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    opened = keras.saving.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(asked(opened, x), wanted, atol=1e-5)
    back = elman.load(tmp_path / "theirs.keras")
    np.testing.assert_allclose(back.predict(x, verbose=0), wanted, atol=1e-5)
    names = [w.path.split("/", 1)[1].split("/")[-1] for w in opened.weights]
    assert names == [p.name.split("/")[-1] for layer in ours.layers for p in layer.own_params]


def test_a_file_with_time_major_is_refused(keras: ModuleType, tmp_path: Any) -> None:
    import json
    import zipfile

    model = keras.Sequential([keras.Input((3, 2)), keras.layers.GRU(2)])
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old:
        parts = {n: old.read(n) for n in old.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1]["config"]["time_major"] = True
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "n.keras", "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    with pytest.raises(elman.errors.FileError, match="time_major=True"):
        elman.load(tmp_path / "n.keras")
