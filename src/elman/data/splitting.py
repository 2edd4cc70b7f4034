"""Which rows to train on and which to hold out, with nothing of the one in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import DataError, OptionError

if TYPE_CHECKING:
    from elman.data.sequences import Sequences

Array = np.ndarray[Any, np.dtype[Any]]

WAYS = ("auto", "group", "time", "random")


def split_rows(
    data: Sequences, share: float | tuple[float, float], by: str, seed: int
) -> list[Array]:
    """The rows of each part, the training part first; see `Sequences.split`."""
    held_out = share if isinstance(share, tuple | list) else (share,)
    if not 1 <= len(held_out) <= 2 or min(held_out) <= 0 or sum(held_out) >= 1:
        raise OptionError(
            f"split expected one or two shares above 0 that leave something to train on, got "
            f"{share}. 0.2 holds out a fifth."
        )
    if by not in WAYS:
        raise OptionError(f"split expected by to be one of {', '.join(WAYS)}, got {by!r}.")
    by = way(data, by)
    if by == "random" and data.until is not None:
        raise OptionError(
            "split expected forecasts to be held out by time or by group, got by random: what "
            "comes after a window is in the next one. Leave that out."
        )
    shares = np.array([1 - sum(held_out), *held_out])
    if by == "group":
        parts = _by_group(_column(data.groups, "groups", by), _classes(data), shares, seed)
    elif by == "time":
        times = _column(data.times, "times", by)
        parts = _without_overlap(data, _by_time(times, shares), times)
    else:
        parts = _at_random(_classes(data), shares, seed)
    if not all(map(len, parts)):
        what = {"group": "groups", "time": "different times"}.get(by, "sequences")
        bring = "Bring more data, or hold out larger shares"
        if by != "random":
            bring = 'Bring more data, hold out larger shares, or deal by chance: `by="random"`'
        raise DataError(
            f"split expected enough {what} for {len(shares)} parts, got parts of "
            f"{', '.join(str(len(part)) for part in parts)} sequences. {bring}."
        )
    return parts


def way(data: Sequences, by: str = "auto") -> str:
    """How data are split: "auto" is by group, by time or at random, the first that they allow."""
    if by != "auto":
        return by
    if data.until is not None:
        return "time"  # what comes after a window is in the next one
    if data.groups is not None:
        return "group"
    # Times that each sequence counts from its own beginning say nothing of which was later.
    apart = data.times is not None and len(np.unique(data.times)) > 1
    return "time" if apart else "random"


def _column(given: Array | None, what: str, by: str) -> Array:
    if given is None:
        raise DataError(
            f"split by {by} expected {what}, got none. Name the column that holds them when the "
            'data are loaded, or deal the rows by chance: `by="random"`.'
        )
    return given


def _classes(data: Sequences) -> Array:
    """The class of each row, where each row has one; else all are alike."""
    targets = data.targets
    if isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind == "i":
        return np.unique(targets, return_inverse=True)[1]
    return np.zeros(len(data), np.int64)


def _at_random(classes: Array, shares: Array, seed: int) -> list[Array]:
    """Single rows to each part, so that each has its share of every class."""
    chance = np.random.default_rng(seed).random(len(classes))
    order = np.lexsort((chance, classes))
    counts = np.bincount(classes)
    first = np.cumsum(counts) - counts
    rank = np.arange(len(classes)) - first[classes[order]]
    place = (rank + 0.5) / counts[classes[order]]
    found = np.empty(len(classes), np.int64)
    found[order] = np.searchsorted(np.cumsum(shares)[:-1], place)
    return [np.flatnonzero(found == part) for part in range(len(shares))]


def _by_group(groups: Array, classes: Array, shares: Array, seed: int) -> list[Array]:
    """Whole groups to each part, so that each part has its share of every class.

    The largest groups are dealt first, each to the part that then lacks least; of groups alike in
    size chance decides.
    """
    number = np.unique(groups, return_inverse=True)[1]
    sizes, total = np.bincount(number), np.bincount(classes)
    # Only what is there: groups by classes would be a table of any size.
    pairs, counts = np.unique(number * len(total) + classes, return_counts=True)
    begins = np.searchsorted(pairs // max(len(total), 1), np.arange(len(sizes) + 1))
    lacking = shares[:, None] * total / np.maximum(total, 1)  # of each part and class, in shares
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    part_of = np.empty(len(sizes), np.int64)
    for group in order:
        own = slice(begins[group], begins[group + 1])
        kinds = pairs[own] % len(total)
        size = counts[own] / total[kinds]
        # What the squares of all that is lacking change by: -2 lacking * size + size^2.
        part_of[group] = np.argmax(lacking[:, kinds] @ size)
        lacking[part_of[group], kinds] -= size
    found = part_of[number]
    return [np.flatnonzero(found == part) for part in range(len(shares))]


def _by_time(times: Array, shares: Array) -> list[Array]:
    """The earliest rows to train on, the latest for the last part; what is of one time stays."""
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    cuts = []
    for cut in np.rint(np.cumsum(shares)[:-1] * len(times)).astype(int):
        while 0 < cut < len(ordered) and ordered[cut] == ordered[cut - 1]:
            cut -= 1
        cuts.append(int(cut))
    return [np.sort(part) for part in np.split(order, cuts)]


def _without_overlap(data: Sequences, parts: list[Array], times: Array) -> list[Array]:
    """The parts without what reaches into a later one: windows of one record, which overlap.

    A forecast reaches as far as what it is of; it may see what the part before was trained on.
    """
    if data.until is not None:
        begins, ends = _numbers(times), _numbers(data.until)
        record = np.zeros(len(data), np.int64)  # one calendar for all series
    elif data.step is not None and data.ids is not None and times.dtype.kind in "iuf":
        begins, ends = times, times + (data.lengths - 0.5) * data.step  # within the last step
        record = np.unique(data.ids, return_inverse=True)[1]
    else:
        return parts
    firsts = np.full(record.max(initial=-1) + 1, np.inf)  # of each record, in the later parts
    kept = []
    for part in reversed(parts):
        kept.append(part[ends[part] <= firsts[record[part]]])
        np.minimum.at(firsts, record[part], begins[part])
    return kept[::-1]


def _numbers(times: Array) -> Array:
    """Times as numbers: dates in nanoseconds."""
    if times.dtype.kind == "M":
        times = times.astype("datetime64[ns]").astype(np.int64)
    return times.astype(np.float64)
