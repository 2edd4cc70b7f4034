"""Small models, each spelled once: Keras runs them, elman runs them, and they must agree.

A model is written against `api`, which is either package: the code is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from golden import record

Arrays = dict[str, np.ndarray]
Weights = list[np.ndarray]

STEPS, FEATURES, WORDS = 6, 3, 11
#: In a vocabulary of this size most words are rare, so most rows of a table wait.
RARE_WORDS = 40

# -- data -----------------------------------------------------------------------------------------


def holes(rows: int) -> np.ndarray:
    """Which steps count: whole rows, right and left padding, a gap, and rows without a step."""
    counts = np.ones((rows, STEPS), bool)
    counts[1::7, 4:] = False
    counts[2::7, :3] = False
    counts[3::7, 2:4] = False
    counts[4::7] = False
    counts[5::7, 1:] = False
    return counts


def padded(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Sequences [rows, STEPS, FEATURES]; a step that does not count is zero."""
    x = rng.normal(size=(rows, STEPS, FEATURES)).astype("f4")
    x[~holes(rows)] = 0
    return x


def sentences(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Tokens [rows, STEPS]; 0 is padding, and the last two words are never said."""
    x = rng.integers(1, WORDS - 2, (rows, STEPS))
    x[~holes(rows)] = 0
    return x


def any_weights(shapes: list[tuple[int, ...]], rng: np.random.Generator) -> Weights:
    """Weights of which none is zero or a default, biases included."""
    return [rng.normal(size=shape, scale=0.5).astype("f4") for shape in shapes]


# -- outputs --------------------------------------------------------------------------------------

#: Every cell, and cells with options that few use.
CELLS: dict[str, Callable[..., Any]] = {
    "simple_rnn": lambda api, **options: api.layers.SimpleRNN(4, **options),
    "lstm": lambda api, **options: api.layers.LSTM(4, **options),
    "gru": lambda api, **options: api.layers.GRU(4, **options),
    "gru_reset_before": lambda api, **options: api.layers.GRU(4, reset_after=False, **options),
    "lstm_of_relu": lambda api, **options: api.layers.LSTM(
        4, activation="relu", recurrent_activation="hard_sigmoid", use_bias=False, **options
    ),
}
#: How a cell is used: masked, return_sequences, go_backwards.
USES = [(m, s, b) for m in (False, True) for s in (False, True) for b in (False, True)]


def use_in_words(masked: bool, sequences: bool, backwards: bool) -> str:
    """A use of a cell, such as "masked sequences backwards"."""
    words = {"masked": masked, "sequences": sequences, "backwards": backwards}
    return " ".join(word for word, on in words.items() if on) or "plain"


#: Layers above each other. A sequence made backwards hands on the mask as it came, as in Keras.
STACKS: dict[str, Callable[[Any], list[Any]]] = {
    "classes of sequences": lambda api: [
        api.layers.Masking(),
        api.layers.GRU(4, return_sequences=True, go_backwards=True),
        api.layers.LSTM(3, return_sequences=True),
        api.layers.SimpleRNN(4),
        api.layers.Dense(5, activation="softmax"),
    ],
    # A second mask takes the place of the first; relu makes steps that it skips.
    "masked twice": lambda api: [
        api.layers.Masking(),
        api.layers.SimpleRNN(2, return_sequences=True, activation="relu"),
        api.layers.Dropout(0.5),
        api.layers.Masking(),
        api.layers.LSTM(4),
    ],
    "classes of steps": lambda api: [
        api.layers.LSTM(4, return_sequences=True),
        api.layers.Dense(3, activation="tanh"),
        api.layers.Activation("relu"),
        api.layers.GRU(4, return_sequences=True, reset_after=False),
        api.layers.Dense(5, activation="softmax"),
    ],
    # Both ways, every way to merge; steps that do not count become zero.
    "both ways": lambda api: [
        api.layers.Masking(),
        api.layers.Bidirectional(api.layers.LSTM(4, return_sequences=True)),
        api.layers.Bidirectional(api.layers.GRU(3, return_sequences=True), merge_mode="mul"),
        api.layers.Bidirectional(api.layers.SimpleRNN(4, return_sequences=True), "sum"),
        api.layers.Bidirectional(
            api.layers.GRU(4, return_sequences=True, go_backwards=True),
            merge_mode="ave",
            backward_layer=api.layers.LSTM(4, return_sequences=True),
        ),
    ],
    "both ends": lambda api: [
        api.layers.Masking(),
        api.layers.Bidirectional(api.layers.LSTM(4)),
    ],
}

# -- trainings ------------------------------------------------------------------------------------


@dataclass
class Training:
    """One training of twenty steps or more, without shuffling.

    Args:
        layers: from an api, the layers after the Input.
        shape: of one sample; the Input's.
        compile: from an api, the arguments of `compile`.
        data: from random numbers and how many rows, the arrays: arguments of `fit`, and x_val and
            y_val for its validation_data.
        fit: the other arguments of `fit`.
        rows: how many rows.
        masked_sequence: whether the output is a sequence with a mask.
    """

    layers: Callable[[Any], list[Any]]
    shape: tuple[int, ...]
    compile: Callable[[Any], dict[str, Any]]
    data: Callable[[np.random.Generator, int], Arrays]
    fit: dict[str, Any] = field(default_factory=dict)
    rows: int = 21
    masked_sequence: bool = False


TRAININGS: dict[str, Training] = {
    # A split for validation, where classes weigh the same; a smaller last batch, momentum.
    "simple_rnn": Training(
        lambda api: [
            api.layers.Masking(),
            api.layers.SimpleRNN(4),
            api.layers.Dense(1, activation="sigmoid"),
        ],
        (STEPS, FEATURES),
        lambda api: {
            "loss": "binary_crossentropy",
            "optimizer": api.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.1),
            "metrics": ["accuracy", "mse"],
        },
        lambda rng, rows: {"x": padded(rng, rows), "y": rng.integers(0, 2, rows)},
        {"batch_size": 8, "epochs": 7, "validation_split": 0.25, "class_weight": {1: 3.0}},
        rows=28,
    ),
    # Tokens, a weight per sample, words that are never seen.
    "lstm": Training(
        lambda api: [
            api.layers.Embedding(WORDS, 3, mask_zero=True),
            api.layers.LSTM(4),
            api.layers.Dense(1, activation="sigmoid"),
        ],
        (STEPS,),
        lambda api: {
            "loss": "binary_crossentropy",
            "optimizer": api.optimizers.Adam(0.02),
            "metrics": ["accuracy"],
        },
        lambda rng, rows: {
            "x": sentences(rng, rows),
            "y": rng.integers(0, 2, (rows, 1)),
            "sample_weight": rng.random(rows).astype("f4"),
        },
        {"batch_size": 8, "epochs": 7},
    ),
    # A class at every step: the mask in loss and accuracy, a weight per step in the loss.
    "gru": Training(
        lambda api: [
            api.layers.Embedding(WORDS, 3, mask_zero=True),
            api.layers.GRU(4, return_sequences=True),
            api.layers.Dense(5, activation="softmax"),
        ],
        (STEPS,),
        lambda api: {
            "loss": "sparse_categorical_crossentropy",
            "optimizer": api.optimizers.RMSprop(0.01),
            "metrics": ["accuracy"],
        },
        lambda rng, rows: {
            "x": sentences(rng, rows),
            "y": rng.integers(0, 5, (rows, STEPS)),
            "sample_weight": rng.random((rows, STEPS)).astype("f4"),
            "x_val": sentences(rng, 7),
            "y_val": rng.integers(0, 5, (7, STEPS)),
        },
        {"batch_size": 7, "epochs": 7},
        masked_sequence=True,
    ),
    # Backwards, a number at every step, the mask handed on as it came.
    "gru_reset_before": Training(
        lambda api: [
            api.layers.Masking(),
            api.layers.GRU(4, reset_after=False, return_sequences=True, go_backwards=True),
            api.layers.Dense(2),
        ],
        (STEPS, FEATURES),
        lambda api: {
            "loss": "mse",
            "optimizer": api.optimizers.SGD(0.1, momentum=0.8, nesterov=True, clipvalue=0.05),
            "metrics": ["mae"],
        },
        lambda rng, rows: {
            "x": padded(rng, rows),
            "y": rng.normal(size=(rows, STEPS, 2)).astype("f4"),
            "x_val": padded(rng, 8),
            "y_val": rng.normal(size=(8, STEPS, 2)).astype("f4"),
        },
        {"batch_size": 8, "epochs": 7},
        rows=24,
        masked_sequence=True,
    ),
    # All cells above each other, a weight per class, a rate and weights that decay.
    "stack": Training(
        lambda api: [
            api.layers.SimpleRNN(4, return_sequences=True),
            api.layers.GRU(4, return_sequences=True),
            api.layers.LSTM(4),
            api.layers.Dense(3, activation="softmax"),
        ],
        (STEPS, FEATURES),
        lambda api: {
            "loss": "categorical_crossentropy",
            "optimizer": api.optimizers.AdamW(
                api.optimizers.schedules.ExponentialDecay(0.02, 5, 0.8),
                weight_decay=0.05,
                global_clipnorm=0.3,
            ),
            "metrics": ["accuracy"],
        },
        lambda rng, rows: {
            "x": rng.normal(size=(rows, STEPS, FEATURES)).astype("f4"),
            "y": np.eye(3, dtype="f4")[rng.integers(0, 3, rows)],
        },
        {"batch_size": 7, "epochs": 7, "class_weight": {0: 2.0, 1: 1.0, 2: 0.5}},
    ),
    # Both ways over words: the table is read twice.
    "both ways": Training(
        lambda api: [
            api.layers.Embedding(WORDS, 3, mask_zero=True),
            api.layers.Bidirectional(api.layers.LSTM(4, return_sequences=True)),
            api.layers.Bidirectional(api.layers.GRU(3), merge_mode="ave"),
            api.layers.Dense(1, activation="sigmoid"),
        ],
        (STEPS,),
        lambda api: {
            "loss": "binary_crossentropy",
            "optimizer": api.optimizers.Adam(0.05),
            "metrics": ["accuracy"],
        },
        lambda rng, rows: {"x": sentences(rng, rows), "y": rng.integers(0, 2, (rows, 1))},
        {"batch_size": 8, "epochs": 7},
    ),
    # Statistics of the steps that count, over all threads, below and between layers and at the end.
    "normalized": Training(
        lambda api: [
            api.layers.Masking(),
            api.layers.BatchNormalization(momentum=0.8),
            api.layers.GRU(4, return_sequences=True),
            api.layers.BatchNormalization(epsilon=0.01, scale=False),
            api.layers.LayerNormalization(),
            api.layers.LSTM(3),
            api.layers.BatchNormalization(center=False),
            api.layers.Dense(1, activation="sigmoid"),
        ],
        (STEPS, FEATURES),
        lambda api: {
            "loss": "binary_crossentropy",
            "optimizer": api.optimizers.Adam(0.02),
            "metrics": ["accuracy"],
        },
        lambda rng, rows: {"x": padded(rng, rows), "y": rng.integers(0, 2, (rows, 1))},
        {"batch_size": 8, "epochs": 7, "validation_split": 0.25},
        rows=28,
    ),
    "both ways at every step": Training(
        lambda api: [
            api.layers.Masking(),
            api.layers.Bidirectional(
                api.layers.SimpleRNN(4, return_sequences=True), merge_mode="mul"
            ),
            api.layers.Bidirectional(
                api.layers.LSTM(4, return_sequences=True),
                merge_mode="sum",
                backward_layer=api.layers.GRU(4, return_sequences=True, go_backwards=True),
            ),
            api.layers.Dense(2),
        ],
        (STEPS, FEATURES),
        lambda api: {"loss": "mse", "optimizer": api.optimizers.RMSprop(0.01), "metrics": ["mae"]},
        lambda rng, rows: {
            "x": padded(rng, rows),
            "y": rng.normal(size=(rows, STEPS, 2)).astype("f4"),
            "x_val": padded(rng, 8),
            "y_val": rng.normal(size=(8, STEPS, 2)).astype("f4"),
        },
        {"batch_size": 8, "epochs": 7},
        masked_sequence=True,
    ),
}

#: What every optimizer trains.
TAGGER = Training(
    lambda api: [
        api.layers.Embedding(RARE_WORDS, 3),
        api.layers.SimpleRNN(4),
        api.layers.Dense(1),
    ],
    (STEPS,),
    lambda api: {"loss": "mse"},
    lambda rng, rows: {
        "x": rng.integers(0, RARE_WORDS - 10, (rows, STEPS)),
        "y": rng.normal(size=(rows, 1)).astype("f4"),
    },
    {"batch_size": 4, "epochs": 4},
    rows=20,
)
#: The updates of record.py, and beside them clipping and rates that change.
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    **{
        name: lambda api, cls=cls, options=options: getattr(api.optimizers, cls)(**options)
        for name, (cls, options) in record.OPTIMIZERS.items()
    },
    "clipped rmsprop": lambda api: api.optimizers.RMSprop(0.01, clipnorm=0.02),
    "momentum on a warm cosine": lambda api: api.optimizers.SGD(
        api.optimizers.schedules.CosineDecay(0.01, 12, warmup_target=0.1, warmup_steps=5),
        momentum=0.9,
    ),
    "adam in pieces": lambda api: api.optimizers.Adam(
        api.optimizers.schedules.PiecewiseConstantDecay([4, 13], [0.02, 0.1, 0.005])
    ),
}


def model(api: Any, training: Training, optimizer: Any = None) -> Any:
    """The model, compiled."""
    made = api.Sequential([api.Input(training.shape), *training.layers(api)])
    chosen = {} if optimizer is None else {"optimizer": optimizer}
    made.compile(**training.compile(api), **chosen)
    return made


def begin(training: Training) -> tuple[Weights, Arrays]:
    """First weights and data."""
    import elman

    rng = np.random.default_rng(len(training.shape) + training.rows)
    made = model(elman, training)
    names = [p.name for layer in made.layers for p in layer.own_params]
    drawn = any_weights([weight.shape for weight in made.get_weights()], rng)
    weights = [
        np.abs(w) if name == "moving_variance" else w for name, w in zip(names, drawn, strict=True)
    ]
    return weights, training.data(rng, training.rows)


def play(
    api: Any,
    training: Training,
    weights: Weights,
    data: Arrays,
    optimizer: Any = None,
    callbacks: Any = (),
) -> tuple[Any, Arrays]:
    """Train; returns the model, and by name the history and the last weights."""
    made = model(api, training, optimizer)
    made.set_weights(weights)
    given = {name: values for name, values in data.items() if not name.endswith("_val")}
    if "x_val" in data:
        given["validation_data"] = (data["x_val"], data["y_val"])
    history = made.fit(
        **given, **training.fit, callbacks=list(callbacks), shuffle=False, verbose=0
    ).history
    found = {f"history {name}": np.array(values) for name, values in history.items()}
    if training.masked_sequence:
        # On its way to the metrics of training, Keras on JAX loses the mask: they count masked
        # steps too. Those of evaluation do not, nor do elman's, nor Keras's on TensorFlow.
        judged = ("history loss", "history val_")
        found = {name: values for name, values in found.items() if name.startswith(judged)}
    found |= {f"weight {i}": np.asarray(w) for i, w in enumerate(made.get_weights())}
    return made, found


def elman_cell(name: str, asked: Arrays) -> Arrays:
    """What elman's cell makes, in every use, of the weights and data that Keras had."""
    import elman

    found = {}
    for use in USES:
        masked, sequences, backwards = use
        layer = CELLS[name](elman, return_sequences=sequences, go_backwards=backwards)
        masking = [elman.layers.Masking()] if masked else []
        made = elman.Sequential([elman.Input((STEPS, FEATURES)), *masking, layer])
        made.set_weights(weights_in(asked))
        found[use_in_words(*use)] = made.predict(asked["x"], verbose=0)
    return found


def elman_stack(name: str, asked: Arrays) -> Arrays:
    """What elman's layers make of the weights and data that Keras had."""
    import elman

    made = elman.Sequential([elman.Input((STEPS, FEATURES)), *STACKS[name](elman)])
    made.set_weights(weights_in(asked))
    return {"output": made.predict(asked["x"], verbose=0)}


def elman_training(
    training: Training, asked: Arrays, optimizer: Any = None, callbacks: Any = ()
) -> Arrays:
    """What training with elman makes of the weights and data that Keras had."""
    import elman

    data = part(asked, "given ")
    made, found = play(elman, training, weights_in(asked), data, optimizer, callbacks)
    if "last evaluated" in asked:
        found["evaluated"] = np.array(made.evaluate(data["x_val"], data["y_val"], verbose=0))
    return found


def outputs_in(asked: Arrays) -> Arrays:
    """What Keras made of weights and data."""
    given = ("x", *(key for key in asked if key.startswith("weight ")))
    return {key: values for key, values in asked.items() if key not in given}


def weights_in(asked: Arrays) -> Weights:
    """The first weights, in order."""
    return [asked[f"weight {i}"] for i in range(sum(key.startswith("weight ") for key in asked))]


def part(asked: Arrays, start: str) -> Arrays:
    """What begins with some words, by the rest of its name."""
    return {key.removeprefix(start): v for key, v in asked.items() if key.startswith(start)}


def differences(ours: Arrays, theirs: Arrays, tolerance: float) -> dict[str, float]:
    """By name, how far two results are apart where they are; infinitely where one has none."""
    found = dict.fromkeys(ours.keys() ^ theirs.keys(), np.inf)
    for name in ours.keys() & theirs.keys():
        a, b = np.asarray(ours[name], "f8"), np.asarray(theirs[name], "f8")
        if a.shape != b.shape:
            found[name] = np.inf
        elif not np.allclose(a, b, rtol=tolerance, atol=tolerance):
            found[name] = float(np.abs(a - b).max())
    return found
