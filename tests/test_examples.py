"""The programs of examples/ run, and what they claim is measured."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


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
