"""The ledger accounts for every parameter: `model.ledger()`, `elman.ledger(...)`.

Everything is derived from `Layer.params`, in this order:

    sources      from a model, a line, a file or another library's model to layers and shapes
    counting     rows per tensor and gate, and their sums; `formulas` writes the sums in letters
    elsewhere, costs, comparisons    what these numbers are beside
    budget       the inverse question
    ledger       joins them
    sections     what there is to tell; `text`, `html` and `export` show it
"""

from elman.explain.ledger.counting import Account, LayerAccount, Row
from elman.explain.ledger.ledger import Ledger, ledger

__all__ = ["Account", "LayerAccount", "Ledger", "Row", "ledger"]
