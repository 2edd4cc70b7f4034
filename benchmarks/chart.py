"""Draw what was measured: how many times longer each peer takes, and elman's own milliseconds.

    python benchmarks/chart.py benchmarks/results/training.json
    python benchmarks/chart.py results/inference.json --rows 32 --to inference.png

Several files of one question are taken together; where a case was measured twice, the last counts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from peers import PEERS

#: One colour per library, the lighter one for its defaults; readable for colour-blind eyes.
COLOURS = {
    "keras-tf": "#f0b27a",
    "keras-tf-best": "#d35400",
    "keras-jax": "#a9cce3",
    "keras-jax-best": "#5499c7",
    "jax": "#1a5276",
    "torch": "#943126",
    "torch-compile": "#c39bd3",
    "onnxruntime": "#7d8b8c",
    "elman-bf16": "#58d68d",
}
LABELS = {
    "keras-tf": "Keras on TensorFlow",
    "keras-tf-best": "the same, best settings",
    "keras-jax": "Keras on JAX",
    "keras-jax-best": "the same, best settings ",
    "jax": "JAX by an expert",
    "torch": "PyTorch",
    "torch-compile": "PyTorch, compiled",
    "onnxruntime": "ONNX Runtime",
    "elman-bf16": "elman, mixed_bfloat16",
}
INK, GRID = "#222222", "#dddddd"


def load(files: list[Path]) -> dict[str, Any]:
    """The reports as one."""
    reports = [json.loads(path.read_text()) for path in files]
    questions = {report["question"] for report in reports}
    if len(questions) > 1:
        raise SystemExit(f"expected files of one question, got {', '.join(sorted(questions))}")
    found = reports[-1]
    rows = {}
    for report in reports:
        for row in report["results"]:
            if "ms" in row:
                rows[(row["case"], row.get("rows", row.get("sessions")), row["peer"])] = row
    found["results"] = list(rows.values())
    return found


def draw(report: dict[str, Any], rows: int | None, to: Path) -> None:
    """Bars of ratios on a logarithmic axis, and beneath them the milliseconds."""
    picked = [r for r in report["results"] if rows is None or r.get("rows") == rows]
    if not picked:
        raise SystemExit("expected results to draw, got none; see --rows")
    cases = list(dict.fromkeys(r["case"] for r in picked))
    at = {(r["case"], r["peer"]): r for r in picked}
    peers = [p for p in PEERS if p != "elman" and any((c, p) in at for c in cases)]
    figure, axis = plt.subplots(figsize=(11, 6.2), dpi=130)
    width = 0.84 / max(len(peers), 1)
    highest = 1.0
    for i, peer in enumerate(peers):
        for j, case in enumerate(cases):
            row = at.get((case, peer))
            if row is None or not row["ratio"]:
                continue
            ratio = row["ratio"]
            place = j - 0.42 + (i + 0.5) * width
            axis.bar(
                place, ratio["median"] - 1, width * 0.92, bottom=1,
                color=COLOURS[peer], label=LABELS[peer] if j == 0 else None, zorder=2,
            )  # fmt: skip
            axis.plot([place, place], [ratio["low"], ratio["high"]], color=INK, lw=0.8, zorder=3)
            top = max(ratio["median"], ratio["high"], 1.0)
            axis.text(
                place, top * 1.06, short(ratio["median"]), rotation=90, ha="center", va="bottom",
                fontsize=6.5, color=INK, zorder=4,
            )  # fmt: skip
            highest = max(highest, top)
    axis.set_yscale("log")
    axis.set_ylim(top=highest * 2.2)
    axis.axhline(1, color=INK, lw=1.2, zorder=5)
    axis.text(len(cases) - 0.48, 1.03, "elman", fontsize=8, va="bottom", color=INK)
    axis.set_xlim(-0.55, len(cases) - 0.1)
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20000)]
    low, high = axis.get_ylim()
    axis.set_yticks([t for t in ticks if low <= t <= high])
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axis.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axis.grid(axis="y", color=GRID, lw=0.7, zorder=0)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.tick_params(length=0)
    axis.set_xticks(range(len(cases)), [label(case, at) for case in cases], fontsize=8)
    what = {"training": "one training step", "inference": "one prediction"}.get(
        report["question"], "one step"
    )
    if rows is not None:
        what += f" of {rows:,} sequence{'s' if rows > 1 else ''}"
    about = report["machine"]
    axis.set_title(
        f"How many times longer than elman: {what}", loc="left", fontsize=12, fontweight="bold",
        pad=30,
    )  # fmt: skip
    figure.text(
        0.01, 0.01,
        f"Median of neighbouring turns; the thin line is the middle half of them. float32, "
        f"{about['processor']}, {about['threads']} threads, {about['isa']}, "
        f"elman {about['elman']}, {report['when'][:10]}.",
        fontsize=7, color="#555555",
    )  # fmt: skip
    axis.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=8,
        handlelength=1.0, columnspacing=1.4, borderaxespad=0.1,
    )  # fmt: skip
    # Two rows of the legend need more room above.
    if len(peers) > 4:
        axis.set_title(axis.get_title(loc="left"), loc="left", fontsize=12, fontweight="bold",
                       pad=44)  # fmt: skip
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to)


def short(value: float) -> str:
    """One decimal, or the whole number."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def label(case: str, at: dict[tuple[str, str], Any]) -> str:
    """The case, elman's time and its share of the peak."""
    own = at.get((case, "elman"))
    if own is None:
        return case
    ms = own["ms"]["median"]
    return f"{case}\nelman: {ms:.3g} ms\n{100 * own['of_peak']:.0f} % of peak"


def main() -> None:
    """Draw the files named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rows", type=int, help="of predictions: which size of a call")
    parser.add_argument("--to", type=Path, help="a PNG; beside the first file if not given")
    arguments = parser.parse_args()
    to = arguments.to or arguments.files[0].with_suffix(".png")
    draw(load(arguments.files), arguments.rows, to)
    print(to)


if __name__ == "__main__":
    main()
