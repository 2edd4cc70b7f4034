"""The .ts files of the UEA & UCR archive of time series (timeseriesclassification.com)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elman.data.delimited import decoded
from elman.data.frames import as_float32
from elman.errors import DataError


def read_ts(path: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Values, targets and what else a .ts file holds.

    A line is a case: its dimensions with colons between them, each a list of numbers, and last
    the class (or a number, under @targetLabel). `?` is missing.

    Raises:
        DataError: no @data, a case that the header does not allow, text among numbers; the
            message names the line. Also timestamps, which elman does not read.
    """
    lines = decoded(path.read_bytes(), path.name).splitlines()
    header: dict[str, list[str]] = {}
    start = 0
    for number, line in enumerate(lines, 1):
        word, *rest = line.split() or ["#"]
        if word.lower() == "@data":
            start = number
            break
        if word.startswith("@"):
            header[word[1:].lower()] = rest or ["false"]
    if not start:
        raise DataError(
            f"data.table expected a line @data in {path.name!r}, got none in {len(lines)} lines. "
            "Download the file again: it is cut short."
        )
    if header.get("timestamps", ["false"])[0].lower() == "true":
        raise DataError(
            f"data.table expected values alone in {path.name!r}, got timestamps. Convert it to "
            "a table in long form, with a column for time."
        )
    label = header.get("classlabel", ["false"])
    classes = label[1:] if label[0].lower() == "true" else []
    numeric = header.get("targetlabel", ["false"])[0].lower() == "true"
    values: list[Any] = []
    targets: list[Any] = []
    ids: list[str] = []
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.startswith(("#", "%")):
            continue
        place = f"{path.name}, line {number}"
        parts = line.strip().split(":")
        if classes or numeric:
            targets.append(_target(parts.pop().strip(), classes, place))
        dimensions = [_numbers(part, place) for part in parts]
        if values and len(dimensions) != values[0].shape[1]:
            raise DataError(
                f"data.table expected {values[0].shape[1]} dimensions in {place}, got "
                f"{len(dimensions)}. Complete the line."
            )
        if not dimensions or len({len(one) for one in dimensions}) > 1:
            raise DataError(
                f"data.table expected dimensions of one length in {place}, got "
                f"{', '.join(str(len(one)) for one in dimensions) or 'none'}. Give each all steps."
            )
        values.append(np.stack(dimensions, axis=1))
        ids.append(place)
    if not values:
        raise DataError(
            f"data.table expected cases after @data in {path.name!r}, got none. Download the file "
            "again: it is cut short."
        )
    more: dict[str, Any] = {"ids": ids, "about": " ".join(header.get("problemname", []))}
    if classes:
        more["names"] = classes
    if numeric:
        targets = [np.float32(one) for one in targets]
    return values, (np.array(targets) if targets else None), more


def _target(text: str, classes: list[str], place: str) -> Any:
    if classes and text not in classes:
        raise DataError(
            f"data.table expected a class among {', '.join(classes[:20])} in {place}, got "
            f"{text[:60]!r}. Correct the line, or @classLabel."
        )
    return text if classes else _numbers(text, place)[0]


def _numbers(text: str, place: str) -> Any:
    cells = ["nan" if cell.strip() == "?" else cell for cell in text.split(",")]
    try:
        found = as_float32(np.array(cells, np.float64))
    except ValueError:
        raise DataError(
            f"data.table expected numbers with commas between them in {place}, got "
            f"{text.strip()[:60]!r}. Correct the line."
        ) from None
    if np.isinf(found).any():
        raise DataError(
            f"data.table expected finite numbers in {place}, got infinity. Correct it, or write ?."
        )
    return found
