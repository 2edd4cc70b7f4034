"""The report: what is on the page, what cannot get onto it, and how it behaves in a browser."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from browser import CHROMIUM, Browser
from elman import DataError, FileError, NotReadyError, cli
from elman.callbacks import History
from elman.explain.report import charts, gathering, judging, markup, pictures, report
from elman.explain.report.material import BUNDLED, material, read
from elman.explain.report.replay import NONE, STEPS, UNITS, VALUES, strip
from elman.layers import GRU, LSTM, Bidirectional, Dense, Embedding, Masking, SimpleRNN

Array = np.ndarray[Any, np.dtype[Any]]

EVIL = '<script>alert("x")</script>&\'"'
SECTIONS = ["overview", "learning", "steps", "wrong", "gradient", "gates", "ledger"]


def data(rows: int, *shape: int, classes: int = 3, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, *shape)).astype(np.float32), rng.integers(0, classes, rows)


def classifier(*layers: Any, classes: int = 3, features: int = 2, **options: Any) -> Any:
    model = elman.Sequential(
        [elman.Input((None, features)), *(layers or (LSTM(4),)), Dense(classes, "softmax")],
        **options,
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def written(model: Any, x: Any, y: Any, folder: Path, **options: Any) -> str:
    return Path(model.report(x, y, folder / "report.html", **options)).read_text("utf-8")


def words_of(page: str) -> str:
    """What a person reads: no markup, no entities."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


class Sound(HTMLParser):
    """Whether every element that is opened is closed, in order; and all ids and tags."""

    VOID = frozenset({"meta", "img", "input"})
    #: Of SVG, which may close itself.
    ALONE = frozenset({"path", "circle"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for key, value in attrs if key == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.ALONE

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def assert_whole(page: str, *, middle: str) -> None:
    """All sections are there, in sound HTML that loads nothing."""
    found = Sound(page)
    assert set(found.ids) == {*SECTIONS, middle}
    assert found.tags.count("script") == 1
    assert "http://" not in page and "https://" not in page and "//cdn" not in page
    assert not re.search(r"<(link|iframe|object|embed|base)\b|@import|url\(", page)
    assert all(
        src.startswith("data:image/png;base64,") for src in re.findall(r'src="([^"]*)', page)
    )


# -- what is told -------------------------------------------------------------------------------


def test_a_classifier_is_told_from_its_score_to_its_last_parameter(tmp_path):
    x, y = data(60, 12, 2)
    model = classifier(GRU(5, return_sequences=True), LSTM(4))
    history = model.fit(x, y, epochs=3, validation_split=0.2, verbose=0).history
    page = written(model, x, y, tmp_path, names=["red", "green", "blue"], title="colours")
    assert_whole(page, middle="confusion")
    told = words_of(page)
    accuracy = model.evaluate(x, y, verbose=0)[1]
    usual = np.bincount(y).max() / len(y)
    assert f"{accuracy:.1%} of the rows are right" in told
    assert f"always the most frequent {usual:.1%}" in told
    assert elman.spec.write(model) in told and "colours: 60 rows of 12 steps" in told
    assert f"training from {history['loss'][0]:.4g} to {history['loss'][-1]:.4g}" in told
    for flow in model.gradient_flow(x, y).values():
        assert str(flow) in told
    assert f"{model.count_params():,} parameters" in told
    for word in ("red", "green", "blue", "update gate", "forget gate", "cell state"):
        assert word in told


def test_the_confusion_matrix_counts_every_row_once(tmp_path):
    x, y = data(50, 7, 2)
    model = classifier()
    page = written(model, x, y, tmp_path, names=["a", "b", "c"])
    table = re.search(r'<table class="confusion">.*?</table>', page)
    assert table is not None
    counts = [int(n) for n in re.findall(r"<small>(\d+)</small>", table[0])]
    said = model.predict(x, verbose=0).argmax(1)
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (y, said), 1)
    np.testing.assert_array_equal(np.reshape(counts, (3, 3)), expected)
    shares = re.findall(r"<b>(\d+)%</b>", table[0])
    lines = expected.sum(1, keepdims=True)
    assert shares == [f"{s:.0%}"[:-1] for s in (expected / np.maximum(lines, 1)).ravel() if s > 0]


def test_the_most_wrong_rows_come_first_with_the_loss_that_evaluate_gives_them(tmp_path):
    x, y = data(30, 9, 2)
    model = classifier()
    losses = [model.evaluate(x[i : i + 1], y[i : i + 1], verbose=0)[0] for i in range(30)]
    page = written(model, x, y, tmp_path)
    shown = [int(n) for n in re.findall(r"<h3>Row (\d+)<small>", page)]
    assert shown == np.argsort(losses)[::-1][: len(shown)].tolist() and len(shown) == 6
    assert f"loss {max(losses):.3g}" in words_of(page)


def test_a_binary_sigmoid_has_two_classes(tmp_path):
    x, y = data(40, 8, 1, classes=2)
    model = elman.Sequential([elman.Input((8, 1)), SimpleRNN(4), Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    for targets in (y, y[:, None].astype(np.float32)):
        page = written(model, x, targets, tmp_path, names=["narrow", "wide"])
        assert_whole(page, middle="confusion")
        right = np.mean((model.predict(x, verbose=0)[:, 0] > 0.5) == y)
        assert f"{right:.1%} of the rows are right" in words_of(page)


def test_logits_are_read_as_shares(tmp_path):
    x, y = data(20, 5, 2)
    model = elman.Sequential([elman.Input((5, 2)), GRU(3), Dense(3)])
    model.compile("adam", elman.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = judging.judge(model, material(x, y))
    scores = np.exp(model.predict(x, verbose=0).astype(np.float64))
    np.testing.assert_allclose(found.shares, scores / scores.sum(1, keepdims=True), rtol=1e-5)
    assert_whole(written(model, x, y, tmp_path), middle="confusion")


def test_numbers_are_drawn_against_their_targets_beside_the_mean(tmp_path):
    x, _ = data(25, 6, 2)
    y = x.sum(axis=(1, 2))[:, None]
    model = elman.Sequential([elman.Input((6, 2)), LSTM(3), Dense(1)])
    model.compile("adam", "mse")
    page = written(model, x, y, tmp_path, names=["sum"])
    assert_whole(page, middle="against")
    told = words_of(page)
    assert f"always the mean {np.var(y):.4g}" in told
    error = np.abs(model.predict(x, verbose=0) - y).mean()
    assert f"mean absolute error {error:.3g}" in told
    assert page.count('class="dot"') == 25


def test_an_output_for_every_step_is_judged_where_the_mask_says(tmp_path):
    x, _ = data(20, 10, 2)
    x[:, 6:] = 0
    y = (x[..., 0] > 0).astype(np.int64)
    model = elman.Sequential(
        [elman.Input((None, 2)), Masking(), GRU(4, return_sequences=True), Dense(2, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    page = written(model, x, y, tmp_path)
    assert_whole(page, middle="confusion")
    found = judging.judge(model, material(x, y))
    assert found.matrix.sum() == 20 * 6
    assert "Shorter ones are padded" in words_of(page)
    right = np.mean(model.predict(x, verbose=0).argmax(-1)[:, :6] == y[:, :6])
    assert f"{right:.1%} of the steps are right" in words_of(page)


def test_numbers_for_every_step_are_drawn_over_time(tmp_path):
    x, _ = data(9, 10, 2)
    model = elman.Sequential([elman.Input((None, 2)), GRU(4, return_sequences=True), Dense(1)])
    model.compile("adam", "mse")
    page = written(model, x, x[:, :, :1], tmp_path)
    assert_whole(page, middle="against")
    assert "target solid, said dashed" in words_of(page)


def test_tokens_are_words_and_padding_is_none(tmp_path):
    words = ["", "[UNK]", "good", "bad", "film"]
    x = np.array([[2, 4, 0, 0], [3, 4, 1, 0], [2, 2, 2, 2]])
    model = elman.Sequential([Embedding(5, 3, mask_zero=True), LSTM(4), Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    page = written(model, x, np.array([1, 0, 1]), tmp_path, words=words)
    assert_whole(page, middle="confusion")
    rows = [
        re.findall(r"<span[^>]*>(.*?)</span>", p)
        for p in re.findall(r'class="words">(.*?)</p>', page)
    ]
    assert sorted({tuple(row) for row in rows}) == sorted(
        {("good", "film"), ("bad", "film", "[UNK]"), ("good",) * 4}
    )


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ((Bidirectional(GRU(3)),), (6, 2)),
        ((SimpleRNN(1),), (1, 2)),
        ((GRU(2, go_backwards=True),), (7, 2)),
        ((Dense(4, "relu"),), (2,)),
        ((LSTM(UNITS + 1),), (STEPS + 3, 2)),
    ],
    ids=["both ways", "one step", "backwards", "not recurrent", "many units and steps"],
)
@pytest.mark.parametrize("rows", [1, 3])
def test_odd_models_and_one_row_have_a_whole_page(layers, shape, rows, tmp_path):
    x, y = data(rows, *shape)
    copies = [type(layer).from_config(layer.get_config()) for layer in layers]
    model = elman.Sequential([elman.Input(shape), *copies, Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    page = written(model, x, y, tmp_path)
    assert_whole(page, middle="confusion")
    assert ("Left out:" in page) == (shape[0] > STEPS or isinstance(layers[0], Bidirectional | GRU))


def test_a_row_that_is_all_masked_is_told_too(tmp_path):
    x, y = data(3, 5, 2)
    x[1] = 0
    page = written(classifier(Masking(), GRU(3)), x, y, tmp_path)
    assert_whole(page, middle="confusion")


def test_a_model_that_broke_is_told_too(tmp_path):
    x, y = data(4, 5, 2)
    model = classifier(GRU(3))
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    assert_whole(written(model, x, y, tmp_path), middle="confusion")


def test_of_many_classes_the_rare_ones_are_one(tmp_path):
    x, _ = data(120, 4, 2)
    y = np.concatenate([np.arange(100) % 12, np.arange(20)])
    page = written(classifier(classes=20), x, y, tmp_path)
    assert "all others" in words_of(page)
    counts = [int(n) for n in re.findall(r"<small>(\d+)</small>", page)]
    assert len(counts) == 13 * 13 and sum(counts) == 120


def test_without_a_history_the_page_says_so(tmp_path):
    x, y = data(5, 4, 2)
    assert "holds no history" in words_of(written(classifier(), x, y, tmp_path))


def test_a_history_with_nan_leaves_a_gap(tmp_path):
    x, y = data(5, 4, 2)
    model = classifier()
    model.history = History()
    model.history.epoch = [0, 1, 2]
    model.history.history = {"loss": [1.0, float("nan"), 0.5], "val_loss": [float("nan")] * 3}
    page = written(model, x, y, tmp_path)
    assert_whole(page, middle="confusion")
    assert not re.search(r'd="[^"]*nan', page)


# -- what cannot get onto it ----------------------------------------------------------------------


def test_names_from_outside_are_text_and_nothing_else(tmp_path):
    x = np.array([[1, 2, 3, 0]] * 4)
    model = elman.Sequential(
        [Embedding(4, 3, mask_zero=True), LSTM(4, name="l<b>'"), Dense(2, "softmax")],
        name=EVIL,
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.history = History()
    model.history.epoch, model.history.history = [0], {"loss": [1.0], EVIL: [0.5]}
    page = written(
        model, x, np.array([0, 1, 0, 1]), tmp_path,
        names=[EVIL + "0", EVIL + "1"], words=["", EVIL, f"\n{EVIL}", "</p>"],
        title=EVIL, step=EVIL,
    )  # fmt: skip
    assert_whole(page, middle="confusion")
    assert "<script>alert" not in page and "l<b>" not in page
    assert words_of(page).count('<script>alert("x")') >= 8


def test_features_and_units_from_outside_are_text_too(tmp_path):
    x, y = data(4, 5, 2)
    page = written(classifier(), x, y, tmp_path, feature_names=[EVIL, EVIL], units=[EVIL, "</b>"])
    assert_whole(page, middle="confusion")


def test_the_browser_is_told_to_run_this_script_and_to_load_nothing(tmp_path):
    x, y = data(4, 5, 2)
    page = written(classifier(), x, y, tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none';") and "script-src 'sha256-" in policy[1]
    assert not re.search(r"<[^>]*\son\w+=", page)


@pytest.mark.parametrize(("steps", "units", "layers"), [(3000, 64, 3), (2, 700, 1)])
def test_the_page_is_small_whatever_the_model_is(steps, units, layers, tmp_path):
    x, y = data(3, steps, 40)
    stack = [LSTM(units, return_sequences=n < layers - 1) for n in range(layers)]
    page = written(classifier(*stack, features=40), x, y, tmp_path)
    assert len(page) < 3_000_000
    values = re.findall(r'data-values="([^"]*)"', page)
    assert sum(map(len, values)) <= 1.4 * VALUES
    assert f"Of the {units:,} units" in page
    assert ("steps one in" in page) == (steps > STEPS)


def test_a_replay_holds_what_the_trace_holds(rng):
    values = rng.normal(size=(9, 4))
    values[3] = np.nan
    found = strip("state", values, tuple("abcd"))
    back = found.low + found.values / (NONE - 1) * (found.high - found.low)
    np.testing.assert_array_equal(found.values[3], NONE)
    kept = np.arange(9) != 3
    assert np.abs(back - values)[kept].max() <= (found.high - found.low) / (NONE - 1) / 2 + 1e-9


def test_what_it_would_say_is_what_it_says_of_the_part(tmp_path):
    x, y = data(4, 6, 2)
    model = classifier()
    found = gathering.gather(model, material(x, y)).replay.examples[0]
    assert found.answer is not None
    for t in range(6):
        said = model.predict(x[found.row : found.row + 1, : t + 1], verbose=0)[0]
        np.testing.assert_allclose(found.answer.values[t] / (NONE - 1), said, atol=0.5 / (NONE - 1))


# -- data and files -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_dataset_is_its_held_out_rows(name):
    found = read(name.replace("_", "-"))
    whole = getattr(elman.datasets, name)()
    np.testing.assert_array_equal(found.x, whole.x_test)
    assert found.names == whole.names and found.majority is not None


def test_an_npz_file_brings_its_words(tmp_path):
    x, y = data(6, 5, 2)
    model = classifier()
    model.save(tmp_path / "m.keras")
    np.savez(
        tmp_path / "d.npz", x=x, y=y, names=["one", "two", "three"], step=0.5,
        feature_names=["left", "right"], units=["g", "none"], about="Two hands.",
    )  # fmt: skip
    out = tmp_path / "page.html"
    assert (
        cli.main(["inspect", str(tmp_path / "m.keras"), str(tmp_path / "d.npz"), "--out", str(out)])
        == 0
    )
    told = words_of(out.read_text("utf-8"))
    for words in ("one", "three", "left (g)", "right", "Two hands.", "seconds", "d.npz: 6 rows"):
        assert words in told


def measured(folder: Path) -> Path:
    """A row for each step, of three to six steps; a class at every step, and a gap."""
    lines = ["who,when,pulse,load,state"]
    for who in range(8):
        lines += [
            f"w{who},{t},{60 + who + t},{'' if t == 1 else t},{'up' if (who + t) % 2 else 'down'}"
            for t in range(3 + who % 4)
        ]
    path = folder / "measured.csv"
    path.write_text("\n".join(lines))
    return path


def of_measured(path: Path) -> tuple[Any, elman.data.Sequences]:
    """A model of these, and what it was not trained on."""
    units = ["1/min", "W"]
    data = elman.data.table(path, "state", sequence="who", time="when", units=units)
    train, held_out = data.split(0.5, by="random")
    layers = [elman.Input((None, train.features)), GRU(3, return_sequences=True)]
    model = elman.Sequential([*layers, Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, verbose=0)
    return model, held_out


def test_sequences_of_unequal_length_bring_all_that_is_known_of_them(tmp_path):
    model, held_out = of_measured(measured(tmp_path))
    steps = int(held_out.lengths.sum())
    given = gathering.gather(model, material(held_out))
    assert given.judged.matrix.sum() == steps
    accuracy = model.evaluate(held_out, verbose=0)[1]
    assert given.judged.accuracy == pytest.approx(accuracy)
    told = words_of(written(model, held_out, None, tmp_path, title="held out"))
    for words in ("held out: 4 rows", "pulse (1/min)", "load missing", "up", "down"):
        assert words in told
    assert "RuntimeWarning" not in told and np.isfinite(given.judged.shares).all()


def test_the_features_of_sequences_are_drawn_as_they_were_measured(tmp_path):
    _, held_out = of_measured(measured(tmp_path))
    known = material(held_out, units=["beats", "W", ""])
    back = held_out.values.values * known.scale + known.center
    assert set(np.rint(back[:, 0]).astype(int).tolist()) <= set(range(60, 74))
    np.testing.assert_allclose(back[:, 2], held_out.values.values[:, 2])  # 1 where it was missing
    assert known.units[0] == "beats" and known.feature_names[0] == "pulse"


def test_inspect_reads_what_the_model_was_trained_on(tmp_path, capsys):
    path = measured(tmp_path)
    of_measured(path)[0].save(tmp_path / "m.keras")
    out = tmp_path / "page.html"
    assert cli.main(["inspect", str(tmp_path / "m.keras"), str(path), "--out", str(out)]) == 0
    told = words_of(out.read_text("utf-8"))
    assert "measured.csv: 8 rows of 6 steps" in told and "pulse (1/min)" in told
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(line.rsplit(",", 1)[0] for line in path.read_text().splitlines()))
    assert cli.main(["inspect", str(tmp_path / "m.keras"), str(bare), "--out", str(out)]) == 2
    assert "Add a column 'state'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["m.keras", "tweet"], "Did you mean 'tweets'?"),
        (["m.keras", "d.txt"], "expected an .npz file"),
        (["m.keras", "empty.npz"], "expected arrays x and y"),
        (["m.keras", "object.npz"], "expected an .npz file of arrays"),
        (["m.keras", "ecg-beats"], "features"),
        (["m.keras", "d.npz", "--out", "page.txt"], "ends in .html"),
        (["m.keras", "d.npz", "--out", "no/page.html"], "folder that exists"),
        (["nothing.keras", "d.npz"], "nothing.keras"),
        (["plain.keras", "d.npz"], "--loss"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_page(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    x, y = data(3, 4, 2)
    classifier().save("m.keras")
    elman.Sequential([elman.Input((4, 2)), LSTM(2), Dense(3, "softmax")]).save("plain.keras")
    np.savez("d.npz", x=x, y=y)
    np.savez("empty.npz", z=x)
    np.savez("object.npz", x=np.array([{}]), y=y)
    Path("d.txt").write_text("x")
    assert cli.main(["inspect", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and message in said.err and said.err.count("\n") == 1
    assert not list(tmp_path.glob("*.html")) and not list(tmp_path.glob(".*unfinished"))
    assert (
        cli.main(["inspect", "plain.keras", "d.npz", "--loss", "sparse_categorical_crossentropy"])
        == 0
    )


def test_names_that_do_not_fit_are_refused(tmp_path):
    x, y = data(3, 4, 2)
    with pytest.raises(DataError, match="expected 3 names, one for each class, got 2"):
        report(classifier(), x, y, tmp_path / "page.html", names=["a", "b"])
    with pytest.raises(NotReadyError):
        report(elman.Sequential([elman.Input((4, 2)), LSTM(3)]), x, y, tmp_path / "page.html")
    with pytest.raises(FileError):
        report(classifier(), x, y, tmp_path)


# -- charts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-3, 7), (0.001, 0.0012), (1e6, 3e6), (-1e-9, 1e-9), (5, 5.5)]
)
def test_ticks_are_round_few_and_inside(low, high):
    found = charts.ticks(low, high)
    assert 2 <= len(found) <= 8
    room = (high - low) * 1e-6
    assert all(low - room <= tick <= high + room for tick in found)
    steps = np.diff(found)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    assert f"{steps[0]:.6e}"[0] in "1259"  # 9 for 0.99999...


def test_labels_of_lines_that_end_together_do_not_meet():
    lines = [charts.Line(f"line {n}", [(0, 0), (1, 1 + n / 1000)]) for n in range(5)]
    drawn = charts.chart("five", lines, "x", "y")
    places = [float(y) for y in re.findall(r'class="name[^>]* y="([\d.]+)"', drawn)]
    assert len(places) == 5
    assert np.diff(sorted(places)).min() >= charts.LINE - 0.1
    assert max(places) <= charts.HIGH


@pytest.mark.parametrize("points", [[(0, 0.0)], [(0, 2.0), (1, 2.0)], [(0, float("nan"))], []])
def test_charts_of_little_are_sound(points):
    for log in (False, True):
        drawn = charts.chart("little", [charts.Line("a", points)], "x", "y", log=log)
        Sound(drawn)
        assert "nan" not in drawn and "inf" not in drawn


def test_colours_get_lighter_all_the_way_so_that_nobody_needs_to_see_colour():
    for stops in (pictures.POSITIVE, pictures.SIGNED):
        colours = pictures.palette(stops).astype(np.float64) / 255
        linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
        light = linear @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(light[::8]) > 0).all()


def test_text_is_text_in_attributes_too():
    assert markup.tag("p", markup.text(EVIL), _class=EVIL).count("<") == 2


# -- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with Browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    x, y = data(40, 23, 2)
    model = classifier(GRU(9, return_sequences=True), LSTM(5), name="a" * 70)
    model.fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    names = ["a rather long name of a class", "x" * 60, EVIL]
    return model.report(x, y, tmp_path_factory.mktemp("page") / "page.html", names=names, step=0.1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_loads_without_a_word_and_fits_the_window(browser, page, width, dark):
    browser.open(page, width, dark=dark)
    assert browser.said == []
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    wide = browser.value("""[...document.querySelectorAll("main *")].filter(e =>
        !e.closest(".wide") && e.getBoundingClientRect().right > innerWidth + 1).length""")
    assert wide == 0


def test_the_slider_changes_the_step_that_is_shown(browser, page):
    browser.open(page, 1280)
    first = browser.value('document.querySelector(".replay output").textContent')
    before = browser.value('document.querySelector(".now").textContent')
    browser.value('document.querySelector(".replay input").focus()')
    for _ in range(3):
        browser.press("ArrowLeft")
    assert browser.value('document.querySelector(".replay input").value') == "19"
    assert first == "2.200 s"
    assert browser.value('document.querySelector(".replay output").textContent') == "1.900 s"
    assert browser.value('document.querySelector(".replay input").ariaValueText') == "1.900 s"
    assert browser.value('document.querySelector(".now").textContent') != before
    browser.value('document.querySelector("[data-move=\\"1\\"]").click()')
    assert browser.value('document.querySelector(".replay output").textContent') == "2.000 s"
    browser.press("Home")
    assert browser.value('document.querySelector(".replay output").textContent') == "0.000 s"
    assert browser.said == []


def test_the_bars_are_the_numbers_of_the_trace(browser, tmp_path):
    x, y = data(1, 8, 2)
    model = classifier(GRU(4))
    browser.open(model.report(x, y, tmp_path / "page.html"), 1280)
    browser.value('document.querySelector(".replay input").focus()')
    browser.press("Home")
    browser.press("ArrowRight")
    shown = browser.value("""[...document.querySelector(".replay details .panel")
        .querySelectorAll(".bars i")].map(bar => +bar.style.getPropertyValue("--v"))""")
    expected = model.trace(x)["gru/update_gate"][0, 1]
    np.testing.assert_allclose(shown, expected, atol=0.5 / (NONE - 1) + 1e-6)
