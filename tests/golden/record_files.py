"""The files that the tests open without Keras, and how Keras goes on training from them.

    python tests/golden/record_files.py

writes `NAME.keras` and the older `NAME.h5` for each of `NAMES` beside this file, and `files.npz`
with the data and the weights that Keras reaches when it trains on from the file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import trainings
from trainings import TRAININGS, Arrays

#: Momentum; a table and Adam; all cells under AdamW on a schedule.
NAMES = ("simple_rnn", "lstm", "stack")
#: Epochs before the file is written, and after.
BEFORE, AFTER = 2, 4


def begun(api: Any, name: str) -> tuple[Any, Arrays]:
    """A model that was trained for some epochs, and the data."""
    training = TRAININGS[name]
    weights, data = trainings.begin(training)
    model = trainings.model(api, training)
    model.set_weights(weights)
    train(model, name, data, BEFORE)
    return model, data


def train(model: Any, name: str, data: Arrays, epochs: int) -> dict[str, list[float]]:
    """Train on, in the same order of the rows; the history."""
    given = {key: values for key, values in data.items() if not key.endswith("_val")}
    options = {**TRAININGS[name].fit, "epochs": epochs}
    return dict(model.fit(**given, **options, shuffle=False, verbose=0).history)


def main() -> None:
    import keras_judge

    keras = keras_judge.keras()
    if keras is None:
        raise SystemExit("Keras is not installed here: nothing was recorded.")
    answers: Arrays = {}
    for name in NAMES:
        model, data = begun(keras, name)
        path = Path(__file__).with_name(f"{name}.keras")
        model.save(path)
        model.save(path.with_suffix(".h5"))
        answers |= {f"{name}/given {key}": values for key, values in data.items()}
        answers |= {f"{name}/saved {i}": w for i, w in enumerate(model.get_weights())}
        answers[f"{name}/loss"] = np.array(train(model, name, data, AFTER)["loss"])
        answers |= {f"{name}/last {i}": w for i, w in enumerate(model.get_weights())}
        print(f"{path.name}: {path.stat().st_size} bytes, Keras {keras.__version__}")
    np.savez_compressed(Path(__file__).with_name("files.npz"), **answers)


if __name__ == "__main__":
    main()
