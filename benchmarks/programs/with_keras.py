"""From nothing to one epoch of `audio` in Keras: `python with_keras.py data.npz`."""

import json
import sys
import time

import keras

imported = time.monotonic()
import numpy as np  # noqa: E402

data = np.load(sys.argv[1])
model = keras.Sequential(
    [
        keras.Input(data["x"].shape[1:]),
        keras.layers.SimpleRNN(16),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile("rmsprop", "binary_crossentropy")
history = model.fit(data["x"], data["y"], batch_size=32, epochs=1, verbose=0)
loss = history.history["loss"][0]
print(json.dumps({"imported": imported, "trained": time.monotonic(), "loss": float(loss)}))
