"""The page: one file, complete in itself. Its own policy forbids it to load anything."""

from __future__ import annotations

import base64
import hashlib
import string
from pathlib import Path

from elman.explain.report.gathering import Findings
from elman.explain.report.markup import paragraph, tag, text
from elman.explain.report.sections import sections
from elman.explain.report.sections.section import Section
from elman.version import __version__

HERE = Path(__file__).parent


def page(found: Findings) -> str:
    """The report as HTML."""
    script, style = _file("page.js"), _file("page.css")
    parts = sections(found)
    links = "".join(tag("a", text(part.title), href=f"#{part.name}") for part in parts)
    # The browser runs the script with this digest and no other, wherever one might come from.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return string.Template(_file("page.html")).substitute(
        title=text(f"{found.model.name} on {found.given.title}"),
        digest=digest,
        style=style,
        script=script,
        links=links,
        sections="".join(map(_section, parts)),
        version=text(__version__),
    )


def _section(part: Section) -> str:
    head = tag("h2", text(part.title)) + (paragraph(part.how, "how") if part.how else "")
    return tag("section", head + part.body, id=part.name)


def _file(name: str) -> str:
    return (HERE / name).read_text("utf-8")
