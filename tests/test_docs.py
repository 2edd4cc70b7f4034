"""The examples of the pages of docs/ run, each page from its first line to its last."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))


def examples(page: Path) -> str:
    """The Python of a page."""
    return "\n".join(part.split("```")[0] for part in page.read_text().split("```python\n")[1:])


def test_pages_with_examples_are_found() -> None:
    assert {page.stem for page in PAGES if examples(page)} >= {
        "files",
        "long_sequences",
        "report",
        "streaming",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_the_page_run(page: Path, tmp_path: Path) -> None:
    if page.stem == "torch":
        pytest.importorskip("torch")
    subprocess.run([sys.executable, "-c", examples(page)], check=True, cwd=tmp_path)
