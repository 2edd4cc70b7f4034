"""What a model hears: each short slice of a sound as a few numbers.

A slice of N samples s[n] has the power spectrum P[k] = |sum_n w[n] s[n] exp(-2 pi i k n / M)|^2
with the Hann window w[n] = (1 - cos(2 pi n / N)) / 2. Levels are in dB of full scale: a square
wave between -1 and 1 has 0 dB, a sine -3 dB.

| features | what they are |
|---|---|
| `basic`   | the frequency of the largest P[k], M = N; 20 log10(rms + 1e-5); sign changes / N |
| `log_mel` | E[m] = 10 log10(max(sum_k T[m, k] P[k], 1e-10)), T the triangles of `mel_filters` |
| `mfcc`    | the first coefficients of the orthonormal cosine transform (DCT-II) of E |

`log_mel` and `mfcc` take M as the next power of two from N on. They are those of torchaudio with
`center=False`, `norm=None`, `mel_scale="htk"` and `top_db=None` but for the length of the window
in them; librosa's differ: its mel scale is Slaney's and its triangles have unit area.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from elman.errors import OptionError

#: Every set of features, and the seconds from one slice to the next (None: the whole slice).
FEATURES: dict[str, float | None] = {"basic": None, "log_mel": 0.010, "mfcc": 0.010}
QUIETEST = 1e-10  # energy of a slice in which nothing is heard: -100 dB


def slices(samples: np.ndarray, length: int, hop: int) -> np.ndarray:
    """The slices of a sound, a view [T, length]; what is left at the end is dropped."""
    if len(samples) < length:
        return np.empty((0, length), samples.dtype)
    return sliding_window_view(samples, length)[::hop]


def basic(cut: np.ndarray, rate: float) -> np.ndarray:
    """Dominant frequency (Hz), level (dB) and zero crossings per sample of each slice.

    Args:
        cut: Samples from -1 to 1, [T, N], as `slices` makes them.
        rate: Samples per second.

    Returns:
        float32 [T, 3].
    """
    length = cut.shape[1]
    frequency = _power(cut, length).argmax(1) * rate / length
    negative = np.signbit(cut)
    crossings = (negative[:, 1:] != negative[:, :-1]).sum(1) / length
    return np.stack([frequency, level(cut), crossings], axis=1).astype(np.float32)


def level(cut: np.ndarray) -> np.ndarray:
    """How loud each slice is, in dB of full scale, float64 [T]."""
    return 20 * np.log10(np.sqrt((cut**2).mean(1)) + np.sqrt(QUIETEST))


def log_mel(cut: np.ndarray, rate: float, bands: int) -> np.ndarray:
    """The energy in each mel band, in dB; float32 [T, bands]. Arguments as those of `basic`."""
    size = 1 << (cut.shape[1] - 1).bit_length()
    energy = _power(cut, size) @ mel_filters(bands, size, rate).T
    return (10 * np.log10(np.maximum(energy, QUIETEST))).astype(np.float32)


def mfcc(cut: np.ndarray, rate: float, bands: int, coefficients: int) -> np.ndarray:
    """Mel-frequency cepstral coefficients, float32 [T, coefficients], from the 0th on.

    Source: Davis & Mermelstein, IEEE TASSP 28(4), 1980.

    Raises:
        OptionError: More coefficients than bands, or fewer than one.
    """
    if not 1 <= coefficients <= bands:
        raise OptionError(
            f"mfcc expected 1 to {bands} coefficients (as many as it has mel bands), got "
            f"{coefficients}."
        )
    return log_mel(cut, rate, bands) @ cosines(bands, coefficients).T


def mel_filters(bands: int, size: int, rate: float) -> np.ndarray:
    """Triangles over a spectrum of `size` samples, [bands, size // 2 + 1]; each peaks at 1.

    Their corners lie evenly on the mel scale, mel = 2595 log10(1 + Hz / 700), from 0 Hz to half
    the rate (O'Shaughnessy 1987; the HTK Book, 5.4).

    Raises:
        OptionError: So many bands that one lies between two frequencies of the spectrum.
    """
    if bands < 1:
        raise OptionError(f"mel expected at least 1 band, got {bands}.")
    top = 2595 * np.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    low, peak, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    hertz = np.arange(size // 2 + 1) * rate / size
    rising, falling = (hertz - low) / (peak - low), (high - hertz) / (high - peak)
    filters = np.maximum(0, np.minimum(rising, falling))
    empty = int((filters.max(1) == 0).sum())
    if empty:
        raise OptionError(
            f"mel expected bands with a frequency in each, got {empty} of {bands} without one at "
            f"{rate:g} Hz in {size} samples. Take fewer bands, or a longer slice."
        )
    return filters


def cosines(bands: int, coefficients: int) -> np.ndarray:
    """The orthonormal cosine transform DCT-II, float32 [coefficients, bands]."""
    m, order = np.arange(bands) + 0.5, np.arange(coefficients)[:, None]
    rows = np.sqrt(2 / bands) * np.cos(np.pi * order * m / bands)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


def _power(cut: np.ndarray, size: int) -> np.ndarray:
    """The power spectrum of each slice, [T, size // 2 + 1], its end filled up with zeros."""
    length = cut.shape[1]
    window = (1 - np.cos(2 * np.pi * np.arange(length) / length)) / 2
    return np.abs(np.fft.rfft(cut * window, size, axis=1)) ** 2
