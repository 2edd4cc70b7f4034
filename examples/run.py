"""Run the notebooks, and write what they show into them.

python examples/run.py                    # all of them, in place
python examples/run.py 3_memory.ipynb     # one
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
NOTEBOOKS = sorted(HERE.glob("*.ipynb"))
#: All that a reader needs; editors add versions, paths and times of their own.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
#: Seconds that one cell may take before something must be wrong.
PATIENCE = 120


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook, run from its first cell to its last in a Python of its own.

    Raises:
        CellExecutionError: a cell raised an error.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=PATIENCE,
        kernel_name="python3",
        resources={"metadata": {"path": HERE}},
        coalesce_streams=True,  # what is printed in one go stays in one piece
    )
    client.execute()
    return tidy(notebook)


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave out whatever differs from one run or editor to the next and says nothing."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
        cell.metadata = nbformat.from_dict({})
    return notebook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="such as 3_memory.ipynb; all where none is given")
    asked = parser.parse_args()
    for path in [HERE / Path(name).name for name in asked.names] or NOTEBOOKS:
        print(path.name, flush=True)
        nbformat.write(execute(path), path)


if __name__ == "__main__":
    main()
