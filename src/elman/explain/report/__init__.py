"""The report: a model and some data as one HTML file that needs nothing but a browser.

What is found (`gathering`, `judging`, `replay`) is plain data; how it is shown is another matter
(`sections`, `panels`, `charts`, and the files page.html, page.css, page.js).
"""

from __future__ import annotations

from elman.explain.report.report import inspect, report

__all__ = ["inspect", "report"]
