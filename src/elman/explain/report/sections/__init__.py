"""The sections of a report, in the order a person asks: what, how well, where wrong, why."""

from __future__ import annotations

from elman.explain.report.gathering import Findings
from elman.explain.report.sections import answers, examples, inside, overview
from elman.explain.report.sections.section import Section


def sections(found: Findings) -> list[Section]:
    """All sections of a report."""
    return [
        overview.overview(found),
        overview.learning(found),
        answers.confusion(found) if found.judged.classes else answers.against(found),
        examples.wrong(found),
        examples.replay(found),
        inside.gradient(found),
        inside.gates(found),
        inside.ledger(found),
    ]
