"""How long does one training step take?

A whole epoch through each library's usual loop, divided by its steps: float32, RMSprop, binary
cross-entropy, batches of 32 unless the case says otherwise.

    python benchmarks/training.py
    python benchmarks/training.py --cases audio,ecg --peers jax,keras-tf --seconds 1
"""

from __future__ import annotations

import statistics

import common
from elman.bench.cases import SMALL


def main() -> None:
    """Measure the cases asked for."""
    options = common.options(__doc__ or "", "train")
    run = common.Run("training", options)
    with run.workers(options.peer_list) as workers:
        for case in options.case_list:
            rows = common.compare(
                run, workers, case, "train", flops=case.flops(), units=case.batches
            )
            run.print_tables(common.case_table(f"{case.name}: one training step", rows))
    run.print_tables(common.summary_table("Training: one step", run.rows))
    small = [
        row["ratio"]["median"]
        for row in run.rows
        if row["peer"] == "keras-tf" and row["case"] in SMALL and row.get("ratio")
    ]
    if len(small) == len(SMALL):
        mean = statistics.geometric_mean(small)
        run.report["geometric_mean_keras_tf_small"] = mean
        run.console.print(
            f"Keras on TensorFlow, geometric mean over the {len(small)} small cases: {mean:.1f} "
            "times elman's time."
        )
    run.end()


if __name__ == "__main__":
    main()
