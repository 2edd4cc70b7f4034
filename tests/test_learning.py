"""From a file to a model: what is believed of data, how they are split, trained and judged."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

import elman
import keras_judge
from elman import cli
from elman.data.sequences import Sequences
from elman.errors import DataError, FileError, OptionError, SpecError
from elman.learning import fitting, judging, making, telling
from elman.learning.choosing import Settings, choose
from elman.learning.looking import Look, look
from elman.learning.network import build
from elman.models import Sequential

WAV = elman.datasets.path("wav/it/h-16.wav").parents[1]


def write(path: Path, header: str, rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Texts whose last word decides; the number of each row is a column too."""
    words = {"good": "yes", "bad": "no"}
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        other, last = rng.permutation(list(words))
        rows.append([number, f"n{number} say it is {other} but it is {last}", words[last]])
    return write(tmp_path / "reviews.csv", "id,review,liked", rows)


@pytest.fixture
def wear(tmp_path: Path) -> Path:
    """A row for each step; what is to be predicted is a change, far from 0 and in the hundreds."""
    rng = np.random.default_rng(0)
    rows = []
    for machine in range(80):
        heat = rng.normal() + np.cumsum(rng.normal(size=8)) / 3
        target = 5000 + 300 * (heat[-1] - heat[0])
        rows += [[f"m{machine}", t, f"{heat[t]:.4f}", f"{target:.2f}"] for t in range(8)]
    return write(tmp_path / "wear.csv", "machine,t,heat,wear", rows)


@pytest.fixture
def nights(tmp_path: Path) -> Path:
    """A row for each step, and a class for each, which lasts longer than its noise."""
    rng = np.random.default_rng(0)
    rows = []
    for night in range(30):
        asleep = False
        for t in range(20 + night % 5):
            asleep ^= rng.random() < 0.15
            rows.append([night, t, f"{asleep + rng.normal():.3f}", "sleep" if asleep else "wake"])
    return write(tmp_path / "nights.csv", "night,t,movement,stage", rows)


def found_in(path: Path, **options: object) -> Look:
    return look(str(path), options=options)


def test_a_column_of_sentences_makes_a_table_one_of_texts(reviews):
    found = found_in(reviews)
    assert (found.data.kind, found.task, found.data.names) == ("text", "classify", ("no", "yes"))
    why = dict(found.why)
    assert "'review' has 9 words" in why["kind"] and "'liked'" in why["target"]


def test_rows_are_steps_where_a_column_says_which_sequence_they_are_of(wear):
    found = found_in(wear, sequence="machine", time="t", target="wear")
    assert (found.data.kind, found.task, len(found.data)) == ("table", "regress", 80)
    assert found.data.feature_names == ("heat",) and set(found.data.lengths) == {8}


def test_a_target_that_changes_within_a_sequence_is_one_for_every_step(nights):
    found = found_in(nights, sequence="night", time="t")
    assert found.task == "tag" and found.data.names == ("sleep", "wake")


def test_the_target_is_found_by_its_name_before_its_values(tmp_path):
    rows = [[n, "north" if n % 2 else "south", n % 3] for n in range(30)]
    found = found_in(write(tmp_path / "t.csv", "x,place,label", rows))
    assert dict(found.why)["target"].startswith("column 'label'")
    found = found_in(write(tmp_path / "t.csv", "x,place,other", rows))
    assert dict(found.why)["target"].startswith("column 'place'")


def test_columns_that_could_all_be_the_target_are_listed_with_the_option(wear):
    with pytest.raises(DataError, match=r"'machine', 't', 'heat', 'wear'\. Name it: --target wear"):
        found_in(wear)


def test_folders_of_texts_and_of_sounds_are_told_apart(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.txt").write_text(f"{name} {number}")
    assert found_in(tmp_path).data.kind == "text"
    sounds = found_in(WAV)
    assert (sounds.data.kind, sounds.data.names) == ("sound", ("it", "ru"))
    assert sounds.data.feature_names[0] == "MFCC 0"
    assert found_in(WAV, features="basic").data.feature_names[0] == "dominant frequency"


def test_long_recordings_are_cut_into_longer_slices_and_that_is_said(tmp_path):
    for name, pitch in (("low", 200), ("high", 900)):
        (tmp_path / name).mkdir()
        with wave.open(str(tmp_path / name / "1.wav"), "wb") as file:
            file.setparams((1, 2, 4000, 0, "NONE", ""))
            tone = 9000 * np.sin(2 * np.pi * pitch * np.arange(4000 * 14) / 4000)
            file.writeframes(tone.astype("<i2").tobytes())
    found = found_in(tmp_path)
    assert found.data.step == 0.03 and 450 < found.data.lengths.max() < 500
    assert "--hop" in dict(found.why)["hop"]
    assert found_in(tmp_path, hop=0.02).data.step == 0.02


def test_a_table_of_paths_and_labels_is_sound_beside_the_table(tmp_path):
    for number, path in enumerate(sorted(WAV.glob("*/*.wav"))):
        os.symlink(path, tmp_path / f"{number}.wav")
    rows = [[f"{number}.wav", "it" if number < 5 else "ru"] for number in range(10)]
    found = found_in(write(tmp_path / "sounds.csv", "file,tongue", rows))
    assert (found.data.kind, len(found.data), found.data.names) == ("sound", 10, ("it", "ru"))


def test_a_folder_of_tables_is_one_of_recordings(tmp_path):
    for name in ("calm", "stress"):
        (tmp_path / name).mkdir()
        for number in range(2):
            rows = [[t / 10, np.sin(t + number)] for t in range(100)]
            write(tmp_path / name / f"{number}.csv", "time,v", rows)
    found = found_in(tmp_path, length=2.0)
    assert (found.data.kind, found.data.names) == ("ecg", ("calm", "stress"))
    assert len(found.data) == 2 * 2 * 5 and found.data.groups is not None


def test_npz_files_hold_sequences_or_a_recording(tmp_path):
    x, y = np.zeros((6, 4, 1)), np.arange(6) % 2
    np.savez(tmp_path / "sequences.npz", x=x, y=y)
    assert found_in(tmp_path / "sequences.npz").data.kind == "table"
    marks = np.repeat(["a", "b"], 500)
    np.savez(tmp_path / "record.npz", voltage=np.sin(np.arange(1000)), rate=100, mark=marks)
    found = found_in(tmp_path / "record.npz", target="mark", length=1.0)
    assert (found.data.kind, found.data.names, len(found.data)) == ("ecg", ("a", "b"), 10)


def test_annotations_are_joined_to_classes_in_a_line(tmp_path):
    marks = np.repeat(["N", "L", "V", "x"], 250)
    np.savez(tmp_path / "record.npz", voltage=np.sin(np.arange(1000)), rate=100, mark=marks)
    found = found_in(
        tmp_path / "record.npz", target="mark", length=0.5, classes="narrow=NL, wide=V"
    )
    assert found.data.names == ("narrow", "wide")
    assert np.bincount(found.data.targets).tolist() == [10, 5]


def test_data_larger_than_memory_are_read_onto_disk_and_trained_on_from_there(nights, tmp_path):
    how = {"sequence": "night", "time": "t"}
    inside = made(nights, tmp_path, **how, epochs=3)
    folder = tmp_path / "nights"
    outside = made(nights, tmp_path, **how, epochs=3, on_disk=str(folder))
    assert outside.found.data.values.in_file
    again = making.make(str(folder), telling.Silent(), epochs=3, out=str(tmp_path / "again.keras"))
    for other in (outside, again):
        assert other.judgement.network.values == inside.judgement.network.values
        for a, b in zip(inside.fitted.model.weights, other.fitted.model.weights, strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(OptionError, match="read already, got --target"):
        found_in(folder, target="stage")


@pytest.mark.parametrize("name", ["tweets", "voices", "ecg-beats", "digits"])
def test_bundled_data_keep_their_own_test_part_and_its_preparation(name):
    found = look(name)
    stored = getattr(elman.datasets, name.replace("-", "_"))()
    assert found.held_out is not None
    parts = fitting.split(found, 0.2, 0.2)
    assert len(parts.test) == len(stored.x_test)
    x, real = parts.test.padded()
    np.testing.assert_array_equal(x, stored.x_test[:, : x.shape[1]])
    assert not stored.x_test[:, x.shape[1] :].any() and real.any(axis=1).all()
    with pytest.raises(OptionError, match="read already, got --rate with"):
        look(name, options={"rate": 8000})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", "the empty file 'empty.csv'"),
        ("header.csv", "text,label\n", "a header without rows in header.csv"),
        ("one.csv", "text,label\n" + "so good a day,yes\n" * 5, "got 'yes' in all 5 rows"),
        ("none.csv", "text,label\nso good a day,\nso bad a day,no\n", "none in none.csv, line 2"),
        ("same.csv", "a,y\n" + "".join(f"{n},3.5\n" for n in range(30)), "got 3.5 in all 30 rows"),
        ("word.csv", "a,label\n1,x\n2,y\nthree,x\n", "got 'three' in word.csv, line 4"),
        ("big.csv", "a,label\n1,x\ninf,y\n", "got inf in big.csv, line 3"),
        ("ragged.csv", "a,label\n1,x\n2\n", "got 1 in ragged.csv, line 3"),
        ("notes.txt", "so good\nso bad\n", "got no targets"),
        ("data.xyz", "a", "ends in .csv"),
    ],
)
def test_bad_data_are_refused_with_file_row_and_remedy(name, content, said, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said.replace("(", r"\(")):
        found_in(tmp_path / name)


def test_nothing_at_the_path_suggests_what_lies_beside_it(tmp_path, reviews):
    with pytest.raises(DataError, match=r"Did you mean 'reviews\.csv'"):
        found_in(tmp_path / "review.csv")
    with pytest.raises(DataError, match="Did you mean 'voices'"):
        look("voicse")


def test_an_option_of_another_kind_of_data_is_refused(reviews):
    with pytest.raises(OptionError, match="--length, which is for ecg"):
        found_in(reviews, length=2.0)


def test_a_task_that_the_targets_do_not_have_is_refused(reviews, nights):
    with pytest.raises(DataError, match="at every step for --task tag, got targets of classes"):
        look(str(reviews), task="tag")
    with pytest.raises(DataError, match="--task tag"):
        look(str(nights), task="classify", options={"sequence": "night", "time": "t"})


# -- splitting ------------------------------------------------------------------------------------


def test_groups_stay_whole_and_nothing_is_lost(tmp_path):
    rows = [[n // 4, f"word{n} is so {'good' if n % 2 else 'bad'}", n % 2] for n in range(80)]
    found = found_in(write(tmp_path / "t.csv", "who,text,label", rows), group="who")
    parts = fitting.split(found, 0.2, 0.2, seed=3)
    each = [set(part.groups) for part in (parts.train, parts.valid, parts.test)]
    assert not (each[0] & each[1] or each[0] & each[2] or each[1] & each[2])
    assert len(set.union(*each)) == 20 and "20" in parts.by


def test_a_class_with_one_example_is_kept_for_training_and_said(tmp_path):
    rows = [[f"a {'good' if n % 2 else 'bad'} day", n % 2] for n in range(40)]
    found = found_in(write(tmp_path / "t.csv", "text,label", [*rows, ["an odd old day", 7]]))
    parts = fitting.split(found, 0.15, 0.2, by="random")
    assert np.bincount(parts.train.targets, minlength=3)[2] == 1
    assert any("'7' has no example to test on" in note for note in parts.notes)


def test_too_few_sequences_are_refused_in_the_words_of_the_command_line(tmp_path, capsys):
    rows = [[f"w{n % 2}", f"so good {n}", n % 2] for n in range(12)]
    path = write(tmp_path / "t.csv", "who,text,label", rows)
    assert run(path, "--group", "who", "--out", tmp_path / "m.keras", "--quiet") == 2
    assert "or deal by chance: --by random." in capsys.readouterr().err
    assert run(path, "--by", "random", "--valid", 0.01, "--out", tmp_path / "m.keras") == 2
    said = capsys.readouterr().err
    assert "hold out larger shares." in said and "--by" not in said


def test_times_that_all_begin_at_zero_do_not_split(wear):
    found = found_in(wear, sequence="machine", time="t", target="wear")
    assert "at random" in fitting.split(found, 0.15, 0.2).by


def test_a_file_to_test_on_is_read_and_prepared_as_the_other(reviews, tmp_path):
    rows = [["0", "it is bad but it is good", "yes"], ["1", "it is so unheard of bad", "no"]]
    other = write(tmp_path / "other.csv", "id,review,liked", rows)
    parts = fitting.split(found_in(reviews), 0.2, str(other))
    assert len(parts.train) + len(parts.valid) == 60 and len(parts.test) == 2
    assert parts.test.targets.tolist() == [1, 0] and parts.test.vocabulary == parts.train.vocabulary
    assert 1 in parts.test[1] and 1 not in parts.test[0], "a new word is unknown"
    bare = write(tmp_path / "bare.csv", "id,review", [["0", "so good a thing"]])
    with pytest.raises(DataError, match=r"got none\. Hold out a share"):
        fitting.split(found_in(reviews), 0.2, str(bare))


# -- network and settings -------------------------------------------------------------------------


def some(rows: int, steps: int = 5, by_step: bool = False) -> Sequences:
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(steps, 2)) for _ in range(rows)]
    classes = [np.arange(steps) % 3 for _ in range(rows)] if by_step else np.arange(rows) % 3
    return Sequences(values, classes, kind="table", names=("a", "b", "c"))


def test_more_rows_get_larger_batches_and_fewer_epochs():
    chosen = [choose(some(rows)) for rows in (20, 800, 8000)]
    batches, epochs = [c.batch_size for c in chosen], [c.epochs for c in chosen]
    assert batches == sorted(set(batches)) and epochs == sorted(epochs, reverse=True)
    assert all(c.patience < c.epochs for c in chosen)


def test_what_is_given_stays_as_it_is():
    found = choose(some(30), "lstm(4)", epochs=7, batch_size=5, lr=0.1)
    assert found == Settings("lstm(4)", 7, 5, 5, 0.1)


def test_long_sequences_are_brought_to_fewer_steps_before_they_recur():
    model = build(some(20, 3000), choose(some(20, 3000)).arch, 0.01)
    assert model.layers[0].output_shape((None, 3000, 2))[1] < 400
    assert model.output_shape == (None, 3)


@pytest.mark.parametrize("by_step", [False, True])
@pytest.mark.parametrize("whole", ["", " > dense(3,softmax)"])
@pytest.mark.parametrize("start", ["", "?x2 > "])
def test_a_line_may_be_the_hidden_layers_or_the_whole_network(by_step, whole, start):
    line = f"{start}gru(4{',seq' if by_step else ''}){whole}"
    model = build(some(9, by_step=by_step), line, 0.01)
    assert model.output_shape == ((None, None, 3) if by_step else (None, 3))
    assert len(model.layers) == 2


@pytest.mark.parametrize(
    ("arch", "said"),
    [
        ("gru(4,seq)", "Leave out seq"),
        ("gru(4) > dense(1,sigmoid)", r"end in dense\(3,softmax\), got dense\(1,sigmoid\)"),
        ("7x9 > gru(4)", r"an input of \?x2"),
    ],
)
def test_a_line_that_does_not_fit_the_data_is_refused(arch, said):
    with pytest.raises(OptionError, match=said):
        build(some(9), arch, 0.01)


def test_an_embedding_must_have_room_for_the_words_and_a_question_mark_is_their_number(reviews):
    train, _ = found_in(reviews).data.split(0.2)
    words = len(train.vocabulary)
    assert build(train, "embedding(?,4,mask) > gru(3)", 0.01).layers[0].input_dim == words
    assert build(train, "gru(3)", 0.01).layers[0].input_dim == words
    with pytest.raises(OptionError, match=f"at least {words} tokens, got 3"):
        build(train, "embedding(3,4) > gru(3)", 0.01)


# -- training and judging -------------------------------------------------------------------------


def made(path: object, tmp_path: Path, **options: object) -> making.Made:
    out = str(tmp_path / "model.keras")
    told = {k: options.pop(k) for k in ("sequence", "time", "target", "on_disk") if k in options}
    listener = telling.Silent()
    return making.make(str(path), listener, options=told, out=out, **{"overwrite": True, **options})


def test_texts_are_learned_and_the_file_says_how_they_were_prepared(reviews, tmp_path):
    found = made(reviews, tmp_path, epochs=40, lr=0.01)
    assert found.judgement.network.values["accuracy"] > 0.9
    # The words are the same in all texts: only their order tells.
    assert found.judgement.order_free.values["accuracy"] < 0.8
    assert found.judgement.verdict.startswith("order helps, by")
    loaded = elman.load(found.path)
    assert loaded.prepared == found.parts.train.prepared
    new = elman.data.text(["it is good but it is bad"], prepared=loaded.prepared)
    assert loaded.prepared.names[int(loaded.predict(new, verbose=0).argmax())] == "no"


def test_numbers_are_answered_in_their_own_unit_also_from_the_file(wear, tmp_path):
    found = made(wear, tmp_path, sequence="machine", time="t", target="wear", lr=0.01, epochs=60)
    values = found.judgement.network.values
    assert values["r2"] > 0.5 and 0 < values["mae"] <= values["rmse"] < 400
    test = found.parts.test
    said = elman.load(found.path).predict(test, verbose=0).ravel()
    off = said - test.targets
    assert np.isclose(np.abs(off).mean(), values["mae"], rtol=1e-4)
    assert np.isclose(1 - (off**2).mean() / test.targets.var(), values["r2"], atol=1e-4)
    known = found.parts.train.targets
    assert np.isclose(
        found.judgement.constant.values["mae"], np.abs(known.mean() - test.targets).mean(), 1e-4
    )


def test_steps_are_tagged_better_than_each_alone(nights, tmp_path):
    found = made(nights, tmp_path, sequence="night", time="t", epochs=60)
    network, free = (
        getattr(found.judgement, name).values["accuracy"] for name in ("network", "order_free")
    )
    assert network > free > 0.5
    assert found.judgement.network.confusion.sum() == found.parts.test.lengths.sum()


def test_numbers_at_every_step_are_learned_too(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for n in range(40):
        x = rng.normal(size=6)
        rows += [[n, t, x[t], 100 + 10 * x[: t + 1].sum()] for t in range(6)]
    path = write(tmp_path / "sums.csv", "n,t,x,y", rows)
    found = made(path, tmp_path, sequence="n", time="t", target="y", lr=0.01, epochs=60)
    assert found.found.task == "tag" and found.judgement.network.values["r2"] > 0.7


def test_the_same_seed_makes_the_same_model_and_another_seed_another(nights, tmp_path):
    how = {"sequence": "night", "time": "t", "epochs": 2}
    first, again = (made(nights, tmp_path, seed=1, **how).fitted.model for _ in range(2))
    other = made(nights, tmp_path, seed=2, **how).fitted.model
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first.weights, other.weights, strict=True))


def test_the_kept_weights_are_those_of_the_best_epoch(nights, tmp_path):
    found = made(nights, tmp_path, sequence="night", time="t", epochs=30, lr=0.1)
    losses = found.fitted.history["val_loss"]
    assert found.fitted.best == int(np.argmin(losses)) + 1 < len(losses)
    loss, _ = found.fitted.model.evaluate(found.parts.valid, verbose=0)
    assert np.isclose(loss, min(losses), rtol=1e-4)


def test_rare_classes_count_as_much_as_others_where_that_is_asked():
    rare = Sequences([np.zeros((2, 1))] * 10, [0] * 9 + [1], kind="table", names=("a", "b"))
    weights = fitting._weights(rare)
    assert np.isclose(9 * weights[0], 1 * weights[1]) and np.isclose(9 * weights[0], 10 / 2)
    with pytest.raises(OptionError, match="--balanced"):
        fitting._weights(Sequences([np.zeros((2, 1))] * 2, [0.5, 1.5], kind="table"))


def test_scores_of_classes_are_what_their_names_say():
    truth, answers = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    found = judging.scores(truth, answers, 4)
    assert np.isclose(found.values["accuracy"], 4 / 6)
    assert np.isclose(found.values["balanced_accuracy"], (2 / 3 + 1 + 0) / 3)
    assert found.confusion.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_very_many_classes_have_scores_and_no_matrix():
    truth = np.arange(judging.MOST_CLASSES + 5)
    found = judging.scores(truth, np.where(truth < 5, 7, truth), len(truth))
    assert found.confusion is None and np.isclose(found.values["accuracy"], 1000 / 1005)


def test_keras_opens_the_file_and_answers_in_the_targets_unit(wear, tmp_path):
    keras = keras_judge.keras()
    if keras is None:
        pytest.skip("Keras is not installed")
    found = made(wear, tmp_path, sequence="machine", time="t", target="wear", epochs=2)
    said = keras.saving.load_model(found.path).predict(found.parts.test.model_inputs, verbose=0)
    ours = found.fitted.model.predict(found.parts.test, verbose=0)
    np.testing.assert_allclose(said, ours, rtol=1e-5)
    assert 3000 < ours.mean() < 7000


def test_a_gain_counts_by_groups_for_their_answers_are_wrong_together():
    better = np.repeat([1.0, 0.0, 1.0, -1.0], 25)
    alone, together = (
        judging.gain_of(better, clusters)[1] for clusters in (np.arange(100), np.arange(100) // 25)
    )
    # Four groups are four answers, however many rows they have.
    assert np.isclose(together, 2 * np.std([1, 0, 1, -1]) / 2)
    assert np.isclose(alone, together / 5)


# -- the command ----------------------------------------------------------------------------------


def run(*arguments: object) -> int:
    return cli.main(["train", *map(str, arguments)])


def test_the_command_tells_everything_within_80_columns(reviews, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    assert run(reviews, "--epochs", 3) == 0
    said = capsys.readouterr()
    assert said.err == "" and "\x1b" not in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    for part in (
        "'review' has 9 words", "'liked'", "no (35), yes (25)", "embedding(", "Adam", "seed 0",
        "epoch 3", "always the most frequent class", "order-free model", "this network",
        "recall", "precision", "Written to reviews.keras", "elman predict reviews.keras",
    ):  # fmt: skip
        assert part in said.out, part
    assert elman.load("reviews.keras").prepared is not None


def test_json_is_one_document_and_nothing_else(nights, tmp_path, capsys):
    out = tmp_path / "m.keras"
    how = ("--sequence", "night", "--time", "t", "--epochs", 2, "--out", out)
    assert run(nights, *how, "--json") == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert said.err == "" and found["model"] == str(out) and found["data"]["task"] == "tag"
    assert len(found["training"]["history"]["val_loss"]) == 2
    confusion = np.array(found["test"]["confusion"])
    accuracy = found["test"]["network"]["accuracy"]
    assert np.isclose(accuracy, confusion.trace() / confusion.sum())


def test_names_that_the_terminal_has_no_letters_for_do_not_stop_it(nights, tmp_path, monkeypatch):
    nights.write_text(nights.read_text().replace("sleep", "Schläf"), encoding="utf-8")
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    how = ("--sequence", "night", "--time", "t", "--epochs", 1, "--out", tmp_path / "m.keras")
    assert run(nights, *how) == 0
    out.flush()
    assert b"Schl?f" in out.buffer.getvalue()


def test_what_a_file_says_is_neither_style_nor_a_command_to_the_terminal(tmp_path, capsys):
    rows = [[n, f"it is so {n}", ["[/b]", "\x1b[31mred", "plain"][n % 3]] for n in range(60)]
    path = write(tmp_path / "t x.csv", "id,text,label", rows)
    assert run(path, "--epochs", 1, "--out", tmp_path / "m x.keras") == 0
    said = capsys.readouterr().out
    assert "[/b] (20)" in said and "?[31mred" in said and "\x1b" not in said
    assert f"elman predict '{tmp_path}/m x.keras' NEW" in said


def test_quiet_says_nothing(nights, tmp_path, capsys):
    how = ("--sequence", "night", "--time", "t", "--epochs", 1, "--out", tmp_path / "m.keras")
    assert run(nights, *how, "--quiet") == 0
    assert capsys.readouterr() == ("", "") and (tmp_path / "m.keras").exists()


def test_a_file_that_is_there_is_replaced_only_when_asked(nights, tmp_path, capsys):
    out = tmp_path / "m.keras"
    out.write_text("mine")
    how = ("--sequence", "night", "--time", "t", "--epochs", 1, "--out", out, "--quiet")
    assert run(nights, *how) == 2
    assert "--overwrite" in capsys.readouterr().err and out.read_text() == "mine"
    assert run(nights, *how, "--overwrite") == 0
    assert elman.load(out).built


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epochs", 0), "epochs to be a whole number >= 1, got 0"),
        (("--lr", 0), "lr above 0, got 0"),
        (("--seed", -1), "seed to be a whole number >= 0"),
        (("--valid", 0.9), "(0.9, 0.2)"),
        (("--arch", "gru(3"), "expected ',' or ')'"),
        (("--arch", "gro(3)"), "unknown layer 'gro'"),
        (("--out", "m.h5"), "--out m.h5.keras"),
        (("--out", "nowhere/m.keras"), "folder that exists"),
        (("--target", "stge"), "Did you mean 'stage'?"),
        (("--by", "group"), "expected groups, got none"),
        (("--task", "guess"), "--task"),
    ],
)
def test_a_request_that_cannot_be_met_ends_before_training(
    options, said, nights, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Sequential, "fit", lambda *_, **__: pytest.fail("it trained"))
    assert run(nights, "--sequence", "night", "--time", "t", *options) == 2
    told = capsys.readouterr().err
    assert told.startswith("elman: ") and said in told
    assert not list(tmp_path.glob("*.keras"))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_to_is_refused_before_training(nights, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(FileError, match="permission"):
        making.target(str(nights), str(locked / "m.keras"), False)


def test_a_full_disk_leaves_the_older_file_and_nothing_half_written(
    nights, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "m.keras"
    out.write_text("mine")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    how = ("--sequence", "night", "--time", "t", "--epochs", 1, "--out", out, "--overwrite")
    assert run(nights, *how) == 2
    assert "No space left" in capsys.readouterr().err
    assert out.read_text() == "mine" and [p.name for p in tmp_path.glob("*m.keras*")] == ["m.keras"]


@pytest.mark.parametrize(("after", "written"), [(2, True), (0, False)])
def test_ctrl_c_keeps_the_best_model_so_far(after, written, nights, tmp_path, capsys, monkeypatch):
    class Stop(elman.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == after:
                raise KeyboardInterrupt

    monkeypatch.setattr(telling.Tables, "watchers", lambda self: [Stop()])
    out = tmp_path / "m.keras"
    assert run(nights, "--sequence", "night", "--time", "t", "--out", out) == 130
    said = capsys.readouterr()
    assert "stopped" in said.err and out.exists() is written
    if written:
        assert "Written to" in said.out and "2 epochs" in said.out
        assert elman.load(out).prepared.names == ("sleep", "wake")
    else:
        assert "Nothing was written" in said.out


def test_a_line_that_cannot_be_read_is_refused_before_the_data_are(tmp_path):
    with pytest.raises(SpecError):
        made(tmp_path / "nothing.csv", tmp_path, arch="gru(")
