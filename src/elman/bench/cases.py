"""The cases that are measured: architectures, their data and their arithmetic, written once.

`elman bench` and everything under `benchmarks/` take them from here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from elman.models import Sequential

Array = np.ndarray[Any, np.dtype[Any]]

#: Matrices of weights side by side in a layer of each kind.
GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}


@dataclass(frozen=True)
class Case:
    """A stack of recurrent layers with one sigmoid on the last step.

    Trained with float32, RMSprop and binary cross-entropy.

    Attributes:
        name: what tables call it.
        cells: (kind, units) of each recurrent layer, from the input on.
        steps: T, time steps of every sequence.
        features: F, numbers per step; of tokens, what their Embedding makes of them.
        vocabulary: number of different tokens, or 0 where the input is numbers.
        tweets: whether the tokens are those of the bundled tweets, distributed as words are and
            padded with 0 at the end. Padding is masked: the last step is a row's last word.
        batches: batches in one epoch.
        batch: rows in one batch.
    """

    name: str
    cells: tuple[tuple[str, int], ...]
    steps: int
    features: int
    vocabulary: int = 0
    batches: int = 24
    batch: int = 32
    tweets: bool = False

    def model(self) -> Sequential:
        """The model in elman, compiled."""
        import elman

        layers: list[Any] = [elman.Input((self.steps, self.features))]
        if self.vocabulary:
            embedding = elman.layers.Embedding(
                self.vocabulary, self.features, mask_zero=self.tweets
            )
            layers = [elman.Input((self.steps,)), embedding]
        for i, (kind, units) in enumerate(self.cells):
            whole = i < len(self.cells) - 1
            layers.append(getattr(elman.layers, kind)(units, return_sequences=whole))
        layers.append(elman.layers.Dense(1, activation="sigmoid"))
        model = elman.Sequential(layers)
        model.compile("rmsprop", "binary_crossentropy")
        return model

    def data(self, rows: int | None = None, seed: int = 0) -> tuple[Array, Array]:
        """Sequences whose class can be learned: it shifts the features or the tokens, or is a mood.

        Args:
            rows: how many sequences; one epoch of them if None.
            seed: the same seed gives the same data.

        Returns:
            x [rows, T, F] float32, or [rows, T] int32 for tokens; y [rows, 1] float32, 0 or 1.
        """
        rng = np.random.default_rng(seed)
        rows = self.batches * self.batch if rows is None else rows
        if self.tweets:
            return _tweets(rng, rows)
        y = rng.integers(0, 2, (rows, 1)).astype(np.float32)
        if self.vocabulary:
            telling = min(200, self.vocabulary // 2)
            any_token = rng.integers(0, self.vocabulary, (rows, self.steps))
            of_class = rng.integers(0, telling, (rows, self.steps)) + telling * y.astype(int)
            tells = rng.random((rows, self.steps)) < 0.3
            return np.where(tells, of_class, any_token).astype(np.int32), y
        x = rng.standard_normal((rows, self.steps, self.features)).astype(np.float32)
        x += 0.6 * (2 * y - 1)[:, :, None]
        return x, y

    def flops(self, rows: int | None = None, training: bool = True) -> float:
        """Floating-point operations of one step on a batch, by formula.

        The matrix products alone, a multiply-add as two: forward; backward to the weights, to the
        states, and to the input where something below is trained. Activations, the embedding and
        the optimizer are not counted, and what a trick would save is: repeated tokens and padding
        too. The number is the same for everybody.

        Args:
            rows: rows of the batch; the case's own if None.
            training: forward and backward, or forward alone.
        """
        rows = self.batch if rows is None else rows
        inputs, total = self.features, 0.0
        for i, (kind, units) in enumerate(self.cells):
            per_number = 2.0 * rows * self.steps * GATES[kind] * units
            to_input = bool(i or self.vocabulary)
            total += per_number * (inputs + units)
            if training:
                total += per_number * (inputs + units) + per_number * (units + inputs * to_input)
            inputs = units
        return total + 2.0 * rows * inputs * (3 if training else 1)

    def changed(self, **changes: Any) -> Case:
        """The same case with other attributes."""
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """As a worker in another environment takes it, through JSON."""
        return dataclasses.asdict(self)


def _tweets(rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """Tweets of the training part and their moods, each in use before one comes again."""
    from elman.data import datasets

    found = datasets.tweets()
    count = len(found.x_train)
    order = np.concatenate([rng.permutation(count) for _ in range(0, rows, count)])[:rows]
    return found.x_train[order], found.y_train[order, None].astype(np.float32)


def _one(name: str, kind: str, units: int, steps: int, features: int, **more: Any) -> Case:
    return Case(name, ((kind, units),), steps, features, **more)


#: Small nets where a framework's bookkeeping is most of the time, and larger ones where arithmetic
#: is. The small ones are what sentiment, keyword and heartbeat tasks use.
CASES = {
    case.name: case
    for case in (
        _one("audio", "SimpleRNN", 16, 30, 3, batches=64),
        _one("text_rnn", "SimpleRNN", 16, 100, 32, vocabulary=15000, batches=48),
        _one("text_lstm", "LSTM", 16, 100, 32, vocabulary=15000, batches=48),
        _one("text_gru", "GRU", 16, 100, 32, vocabulary=15000, batches=48),
        _one("tweets_rnn", "SimpleRNN", 16, 40, 32, vocabulary=2570, batches=48, tweets=True),
        _one("tweets_lstm", "LSTM", 16, 40, 32, vocabulary=2570, batches=48, tweets=True),
        _one("tweets_gru", "GRU", 16, 40, 32, vocabulary=2570, batches=48, tweets=True),
        Case("ecg", (("SimpleRNN", 16), ("GRU", 16), ("LSTM", 16)), 60, 1, batches=48),
        _one("lstm128", "LSTM", 128, 100, 64, batches=24),
        _one("gru128", "GRU", 128, 100, 64, batches=24),
        _one("lstm512", "LSTM", 512, 100, 64, batches=4),
        _one("gru512", "GRU", 512, 100, 64, batches=4),
    )
}
#: Where a framework's bookkeeping is most of the time.
SMALL = ("audio", "text_rnn", "text_lstm", "text_gru", "ecg")
