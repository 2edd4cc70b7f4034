"""How long does one prediction take, for one sequence, for 32, for 1,024?

One call of each library's usual prediction on arrays that are ready, NumPy in and NumPy out.

    python benchmarks/inference.py
    python benchmarks/inference.py --cases lstm128 --rows 1,32 --peers onnxruntime
    python benchmarks/inference.py --cases audio --rows 10000 --peers keras-tf --batch 32

With `--batch` a call on many rows goes through them in batches of that many, where the library has
such a thing: what it costs per batch beyond the arithmetic.
"""

from __future__ import annotations

import argparse

import common


def more(parser: argparse.ArgumentParser) -> None:
    """The rows of a call."""
    parser.add_argument("--rows", default="1,32,1024", help="comma-separated rows per call")
    parser.add_argument("--batch", type=int, help="rows per batch inside a call; all if not given")


def main() -> None:
    """Measure the cases asked for."""
    options = common.options(__doc__ or "", "infer", more)
    run = common.Run("inference", options)
    with run.workers(options.peer_list) as workers:
        for case in options.case_list:
            for rows in map(int, options.rows.split(",")):
                found = common.compare(
                    run, workers, case, "infer", flops=case.flops(rows, training=False),
                    label={"rows": rows}, rows=rows, batch=options.batch or rows,
                )  # fmt: skip
                of = "1 sequence" if rows == 1 else f"{rows:,} sequences"
                run.print_tables(common.case_table(f"{case.name}: predict {of}", found))
    run.print_tables(common.summary_table("Predictions: one call", run.rows, ("case", "rows")))
    run.end()


if __name__ == "__main__":
    main()
