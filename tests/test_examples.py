"""The programs and notebooks of examples/ run, and what they claim is measured."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import elman

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
MOST_BYTES = 1_500_000  # of all notebooks: they are read on the web, and live in everybody's clone

#: Digits that are no result: code to be typed, the target of a link, a chapter, a year.
NO_RESULT = re.compile(r"`[^`]*`|\]\([^)]*\)|^#+ \d\.|\b(?:18|19|20)\d\d\b", re.MULTILINE)

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def long_gap(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "long_gap", raising=False)
    import long_gap

    return long_gap


def test_the_long_gap_prints_a_row_for_each_cell_and_draws(
    long_gap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for name, value in {"ROWS": 64, "TEST_ROWS": 32, "EPOCHS": 2}.items():
        monkeypatch.setattr(long_gap, name, value)
    picture = tmp_path / "gap.png"
    monkeypatch.setattr(sys, "argv", ["long_gap.py", "--gap", "4", "--to", str(picture)])
    long_gap.main()
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[1:4]] == ["SimpleRNN", "LSTM", "GRU"]
    assert "= 2.0999" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_first_value_is_marked_and_tells_the_answer(long_gap: ModuleType) -> None:
    x, y = long_gap.recall(50, 7, np.random.default_rng(0))
    assert x.shape == (50, 8, 2)
    np.testing.assert_array_equal(x[:, 0, 0] > 0, y == 1)
    np.testing.assert_array_equal(x[:, :, 1], np.eye(8)[0] * np.ones((50, 1)))


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "remembers"), [("SimpleRNN", 0), ("LSTM", 1), ("GRU", 1)])
def test_over_the_long_gap_lstm_and_gru_remember(
    long_gap: ModuleType, cell: str, remembers: bool
) -> None:
    kind = next(kind for kind in long_gap.CELLS if kind.__name__ == cell)
    accuracy = np.median([long_gap.train(kind, long_gap.GAP, seed).accuracy for seed in range(3)])
    assert accuracy > 0.95 if remembers else accuracy < 0.6


# -- notebooks: read as plain data, so that the rules hold wherever the tests run ------------------


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def outputs(path: Path) -> list[dict[str, Any]]:
    return [output for cell in cells(path, "code") for output in cell["outputs"]]


def typed(text: str) -> list[str]:
    """The numbers in a text that may be results."""
    return re.findall(r"\S*\d\S*", NO_RESULT.sub("", text))


def said(source: str) -> Iterator[str]:
    """What a cell says that no code has worked out, a bare `{0.9:.0%}` included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in ("say", "table"):
            for argument in node.args:
                yield from _written(argument)


def _written(node: ast.AST) -> Iterator[str]:
    """Every text below, and every number that is shown as it stands; `{16 + n}` is code."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    below = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.FormattedValue):
        below = [node.value]  # and not its format, such as `.1%`
    for part in below:
        stands = isinstance(node, ast.FormattedValue | ast.List)
        if stands and isinstance(part, ast.Constant) and not isinstance(part.value, str):
            yield str(part.value)
        else:
            yield from _written(part)


def test_there_are_notebooks_and_the_readme_names_each() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    assert len(NOTEBOOKS) >= 5
    assert all(f"]({path.name})" in readme for path in NOTEBOOKS)


@each_notebook
def test_no_sentence_of_the_notebook_has_a_number_typed_into_it(path: Path) -> None:
    for cell in cells(path, "markdown"):
        assert typed("".join(cell["source"])) == []
    for cell in cells(path, "code"):
        for text in said("".join(cell["source"])):
            assert typed(text) == []


@pytest.mark.parametrize(
    ("source", "numbers"),
    [
        ("say(f'{n:,} records of {16 + n}')", 0),
        ("say('337 parameters')", 1),
        ("say(f'{337} parameters', f'and {n} more, or 17%')", 2),
        ("table(['network', 'Elman (1990)'], [['dense', '1,473']])", 1),
        ("table(['', 'gain'], [[name, f'{gain:.1%}', '5%'] for name, gain in found])", 1),
        ("print('the code of a cell may have 3 numbers')", 0),
    ],
)
def test_a_number_is_found_where_it_is_typed_into_a_sentence(source: str, numbers: int) -> None:
    assert sum(len(typed(text)) for text in said(source)) == numbers


@each_notebook
def test_the_notebook_was_run_from_its_first_cell_to_its_last(path: Path) -> None:
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(output["output_type"] != "error" for output in outputs(path))


@each_notebook
def test_the_notebook_shows_no_warning_and_no_bare_value(path: Path) -> None:
    for output in outputs(path):
        assert output.get("name") != "stderr", output["text"]
        if output["output_type"] == "execute_result":
            assert set(output["data"]) > {"text/plain"}, "print it, or say what it is"
        if output["output_type"] == "stream":
            assert "".join(output["text"]).strip()


@each_notebook
def test_the_notebook_holds_nothing_of_the_machine_that_ran_it(path: Path) -> None:
    notebook = json.loads(path.read_text())
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    assert all(cell["metadata"] == {} for cell in notebook["cells"])
    text = "".join(
        "".join(value) if isinstance(value, list) else str(value)
        for output in outputs(path)
        for kind, value in {**output.get("data", {}), "text": output.get("text", "")}.items()
        if not kind.startswith("image/")
    )
    assert not re.findall(r"(?<![\w<])/(?:home|tmp|root|usr|work|Users)/|\\Users\\", text)


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("1_sequences.ipynb", "90 > dense(16) > dense(1)"),
        ("1_sequences.ipynb", "30x3 > rnn(16) > dense(1)"),
        ("4_gates.ipynb", "100x32 > lstm(16)"),
        ("4_gates.ipynb", "100x32 > gru(16)"),
        ("5_ecg.ipynb", "60x1 > rnn(16,seq) > gru(16,seq) > lstm(16) > dense(1)"),
    ],
)
def test_the_lesson_arrives_at_the_counts_it_is_about(path: str, spec: str) -> None:
    shown = "".join(
        "".join(output.get("data", {}).get("text/markdown", ""))
        for output in outputs(EXAMPLES / path)
    )
    assert f"**{elman.parse(spec).count_params():,}**" in shown


def test_all_notebooks_together_are_small() -> None:
    assert sum(path.stat().st_size for path in NOTEBOOKS) < MOST_BYTES


@each_notebook
def test_the_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("nbclient", "nbformat", "ipykernel", "matplotlib"):
        pytest.importorskip(package, reason=f'{package} is in the extra "test"')
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))  # whoever runs the tests has a profile
    spec = importlib.util.spec_from_file_location("run_notebooks", EXAMPLES / "run.py")
    assert spec and spec.loader
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    notebook = run.execute(path)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.output_type for output in shown] == [
        output["output_type"] for output in outputs(path)
    ]
    assert all(output.get("name") != "stderr" for output in shown)
