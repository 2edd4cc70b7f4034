"""How much memory does training take?

    python benchmarks/memory.py
    python benchmarks/memory.py --cases text_lstm,lstm512 --peers torch

The most resident memory that a fresh process ever had: after the import, and after two epochs of
the case. The second minus the first is what the case itself costs, the data included.
"""

from __future__ import annotations

from rich.table import Table

import common
from peers import PeerError


def main() -> None:
    """Measure the cases asked for, a process for each peer and case."""
    options = common.options(__doc__ or "", "train")
    run = common.Run("memory", options)
    locks = common.Locks(options.lock)
    for case in options.case_list:
        table = Table(title=f"{case.name}: MiB", title_style="bold", title_justify="left")
        table.add_column("peer", no_wrap=True)
        for heading in ("after import", "peak in training", "difference"):
            table.add_column(heading, justify="right")
        with common.stored(case) as file:
            for peer in options.peer_list:
                # Not around the start: that takes the locks itself.
                with run.workers([peer]) as workers, locks.shared():
                    for worker in workers:
                        row = {"case": case.name, "peer": peer.name}
                        try:
                            before = worker.ask("memory")["peak_mib"]
                            worker.ask(
                                "train", options.limit, case=case.as_dict(), file=file, most_ways=1
                            )
                            worker.ask("work", options.limit, count=1)
                            after = worker.ask("memory")["peak_mib"]
                        except PeerError as error:
                            run.say(peer, f"{case.name}: {error}")
                            run.add({**row, "error": str(error)})
                            continue
                        run.add({**row, "import_mib": before, "peak_mib": after})
                        table.add_row(
                            peer.name, f"{before:.0f}", f"{after:.0f}", f"{after - before:.0f}"
                        )
        run.print_tables(table)
    run.end()


if __name__ == "__main__":
    main()
