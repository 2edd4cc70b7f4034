"""Heat maps as PNG files inside the page: nothing is as small, and no script draws them."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np

from elman.explain.report.replay import NONE

Array = np.ndarray[Any, np.dtype[Any]]

#: cividis (Nunez, Anderton & Renslow 2018), from 0 on: even in lightness, for every eye.
POSITIVE = "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 fee838"
#: Dark violet below zero, grey at zero, light orange above: the sign is seen without colours too.
SIGNED = "24003c 4a1c7c 6a4a9e 857fa6 9a9a9a c4a878 e6b560 f8cf80 fff2c4"


def palette(stops: str) -> Array:
    """255 colours between stops, uint8 [255, 3]."""
    colours = np.array([list(bytes.fromhex(stop)) for stop in stops.split()], np.float64)
    at = np.linspace(0, len(colours) - 1, NONE)
    columns = [np.interp(at, np.arange(len(colours)), colours[:, c]) for c in range(3)]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8)


def heat(values: Array, signed: bool) -> str:
    """A heat map [lines, steps] of bytes as a `data:` address; `NONE` is transparent."""
    colours = palette(SIGNED if signed else POSITIVE).tobytes() + b"\0\0\0"
    rows, columns = values.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), values], axis=1)  # 0: no filter
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", colours),
        (b"tRNS", b"\xff" * NONE + b"\0"),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    ]
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def gradient(signed: bool) -> str:
    """The same colours as a CSS gradient, for legends."""
    stops = (SIGNED if signed else POSITIVE).split()
    return f"linear-gradient(90deg,{','.join('#' + stop for stop in stops)})"
