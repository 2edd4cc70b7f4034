"""The examples of the pages of docs/ run, each page from its first line to its last."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Pages whose examples need optional packages.
NEEDS = {"accelerate": ["keras"], "sklearn": ["sklearn", "distributed"], "torch": ["torch"]}
PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))


def examples(page: Path) -> str:
    """The Python of a page."""
    return "\n".join(part.split("```")[0] for part in page.read_text().split("```python\n")[1:])


def test_pages_with_examples_are_found() -> None:
    assert {page.stem for page in PAGES if examples(page)} >= {
        "accelerate",
        "files",
        "long_sequences",
        "report",
        "streaming",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_the_page_run(page: Path, tmp_path: Path) -> None:
    for needed in NEEDS.get(page.stem, []):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed here")
    environment = {"KERAS_BACKEND": "jax", **os.environ}
    subprocess.run(
        [sys.executable, "-c", examples(page)], check=True, cwd=tmp_path, env=environment
    )
