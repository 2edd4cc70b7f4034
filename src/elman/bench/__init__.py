"""`elman bench`: how long training and prediction take here, and how near that is to the limit.

>>> from elman import bench
>>> bench.run(["audio"], seconds=0.2, verbose=0).results[0].milliseconds
"""

from __future__ import annotations

from elman.bench.cases import CASES, Case
from elman.bench.measure import Spread
from elman.bench.short import Report, Result, run

__all__ = ["CASES", "Case", "Report", "Result", "Spread", "run"]
