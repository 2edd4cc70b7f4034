"""A model's file in another format, and what is said of it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import elman
from elman import FileError, Sequential, cli
from elman.layers import GRU, Dense
from elman.saving.converting import OTHERS, convert
from golden import record_files

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def model(tmp_path: Path) -> Sequential:
    """A model that knows its history and its preparation, saved as m.keras."""
    x = {"a": np.arange(9.0), "b": np.arange(9.0)[::-1], "y": np.arange(9) % 3}
    train, _ = elman.data.table(x, "y").split(0.34)
    made = Sequential([elman.Input((None, 1)), GRU(2), Dense(3, "softmax")])
    made.compile("adam", "sparse_categorical_crossentropy")
    made.fit(train, epochs=2, verbose=0)
    made.save(tmp_path / "m.keras")
    return made


@pytest.mark.parametrize("name", record_files.NAMES)
def test_an_older_file_becomes_one_that_predicts_and_trains_the_same(name, tmp_path):
    made = convert(GOLDEN / f"{name}.h5", tmp_path / "new.keras")
    assert made.path == tmp_path / "new.keras" and made.left_out == []
    old, new = elman.load(GOLDEN / f"{name}.h5"), elman.load(tmp_path / "new.keras")
    for a, b in zip(old.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert new.get_config() == old.get_config()
    assert new.optimizer.iterations == old.optimizer.iterations > 0


def test_weights_alone_fit_the_same_layers_and_the_rest_is_named(model, tmp_path):
    made = convert(tmp_path / "m.keras", tmp_path / "m.weights.h5")
    said = "\n".join(made.left_out)
    for words in ("the layers", "loss, metrics", "the history", "elman predict"):
        assert words in said
    again = Sequential([elman.Input((None, 1)), GRU(2), Dense(3, "softmax")])
    again.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_a_model_does_not_have_is_not_said_to_be_left_out(tmp_path):
    Sequential([elman.Input((None, 1)), GRU(2)]).save(tmp_path / "bare.keras")
    made = convert(tmp_path / "bare.keras", tmp_path / "bare.weights.h5")
    assert made.left_out == ["the layers and their options"]


def test_a_keras_file_keeps_everything(model, tmp_path):
    assert not convert(tmp_path / "m.keras", tmp_path / "copy.keras").left_out
    copy = elman.load(tmp_path / "copy.keras")
    assert copy.prepared == model.prepared and copy.history.epoch == [0, 1]


def test_what_is_said_while_an_older_file_is_read_is_handed_on(monkeypatch, tmp_path, model):
    from elman.saving import converting

    def warned(path: Path) -> Sequential:
        import warnings

        warnings.warn("the optimizer starts afresh", stacklevel=1)
        return model

    monkeypatch.setattr(converting, "load_model", warned)
    assert convert("old.h5", tmp_path / "n.keras").warnings == ["the optimizer starts afresh"]


@pytest.mark.parametrize("ending", [*OTHERS, "", ".zip"])
def test_a_format_that_is_not_written_says_what_to_do(ending, model, tmp_path):
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(FileError, match=r"ends in .keras or .weights.h5") as raised:
        convert(tmp_path / "m.keras", tmp_path / f"new{ending}")
    assert OTHERS.get(ending, "the ending says which") in str(raised.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_the_command_says_what_it_wrote_and_replaces_nothing_unasked(
    model, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["convert", "m.keras", "m.weights.h5"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Written to m.weights.h5" and said[1].startswith("Left out: the layers")
    before = (tmp_path / "m.weights.h5").read_bytes()
    model.prepared = replace(model.prepared, names=("x", "y", "z"))
    model.save("m.keras")
    assert cli.main(["convert", "m.keras", "m.weights.h5"]) == 2
    assert "replace it with --overwrite" in capsys.readouterr().err
    assert (tmp_path / "m.weights.h5").read_bytes() == before
    assert cli.main(["convert", "m.keras", "m.weights.h5", "--overwrite"]) == 0
    capsys.readouterr()
    assert cli.main(["convert", "m.keras", "n.weights.h5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "path": "n.weights.h5",
        "left_out": convert("m.keras", "o.weights.h5").left_out,
        "warnings": [],
    }
    assert cli.main(["convert", "m.weights.h5", "n.keras"]) == 2
    assert "weights" in capsys.readouterr().err and not Path("n.keras").exists()
