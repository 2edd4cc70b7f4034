"""Keras on TensorFlow or JAX, as learners run it and with its best settings.

Variants: `tensorflow` and `jax` are Keras's defaults; `tensorflow+best` and `jax+best` add
`jit_compile=True` and `steps_per_execution` of a whole epoch, and predict with a compiled function;
`tensorflow+elman` and `jax+elman` are the defaults, accelerated by elman.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from protocol import Peer, serve


class Keras(Peer):
    """One backend, default or best settings."""

    def __init__(self, variant: str, threads: int) -> None:
        super().__init__(variant, threads)
        self.backend, _, how = variant.partition("+")
        self.best, self.accelerated = how == "best", how == "elman"
        self.packages = ("keras", self.backend)

    def about(self) -> dict[str, Any]:
        settings = "defaults"
        if self.best:
            settings = "jit_compile=True, steps_per_execution of one epoch, compiled predict"
        if self.accelerated:
            settings = "defaults, accelerated by elman"
        about: dict[str, Any] = {"settings": settings}
        if self.backend == "tensorflow":
            about["oneDNN"] = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0"
        return about

    def _model(self, case: dict[str, Any], weights: list[Any], rows: int | None = None) -> Any:
        import keras

        layers = keras.layers
        stateful = rows is not None
        shape: tuple[int, ...] = (1 if stateful else case["steps"], case["features"])
        model = keras.Sequential()
        if case["vocabulary"]:
            model.add(keras.Input(shape[:1], dtype="int32"))
            masked = case["tweets"]
            model.add(layers.Embedding(case["vocabulary"], case["features"], mask_zero=masked))
        else:
            model.add(keras.Input(shape, batch_size=rows))
        for i, (kind, units) in enumerate(case["cells"]):
            whole = i < len(case["cells"]) - 1
            layer = getattr(layers, kind)
            model.add(layer(units, return_sequences=whole, stateful=stateful))
        model.add(layers.Dense(1, activation="sigmoid"))
        model.set_weights(weights)
        return model

    def _accelerate(self, model: Any) -> None:
        if self.accelerated:
            from elman.interop.keras import accelerate

            report = accelerate(model)
            if not report:
                raise RuntimeError(str(report))

    def train(self, case: dict[str, Any], weights: list[Any], x: Any, y: Any) -> Any:
        import keras

        keras.backend.clear_session()
        model = self._model(case, weights)
        more: dict[str, Any] = {}
        if self.best:
            more = {"jit_compile": True, "steps_per_execution": case["batches"]}
        model.compile("rmsprop", "binary_crossentropy", **more)
        self._accelerate(model)
        batch = case["batch"]
        predicted = keras.ops.convert_to_numpy(model(x[:batch]))
        loss = keras.losses.BinaryCrossentropy()(y[:batch], predicted)

        def epochs(count: int, shuffle: bool) -> float:
            history = model.fit(
                x, y, batch_size=batch, epochs=count, shuffle=shuffle, verbose=0
            ).history
            return float(history["loss"][-1])

        return float(loss), {"fit": epochs}

    def infer(self, case: dict[str, Any], weights: list[Any], x: Any, batch: int) -> Any:
        import keras

        keras.backend.clear_session()
        model = self._model(case, weights)
        if not self.best:
            model.compile()
            self._accelerate(model)
            return {"predict": lambda x: model.predict(x, batch_size=batch, verbose=0)}
        ways = {}
        if self.backend == "tensorflow":
            import tensorflow as tf

            for name, jit in (("function", False), ("function, XLA", True)):
                function = tf.function(lambda x: model(x, training=False), jit_compile=jit)
                ways[name] = lambda x, f=function: f(tf.convert_to_tensor(x)).numpy()
        else:
            import jax

            trained = [v.value for v in model.trainable_variables]
            rest = [v.value for v in model.non_trainable_variables]
            function = jax.jit(lambda t, r, x: model.stateless_call(t, r, x)[0])
            ways["jit"] = lambda x: np.asarray(function(trained, rest, x))
        return ways

    def stream(self, case: dict[str, Any], weights: list[Any], rows: int) -> Any:
        import keras

        keras.backend.clear_session()
        model = self._model(case, weights, rows)
        model.compile()

        def reset() -> None:
            for layer in model.layers:
                if hasattr(layer, "reset_state"):
                    layer.reset_state()

        if self.backend == "jax":
            # Its predict starts from zero at every call: the states are not among the variables
            # that it carries over. What carries them is the call.
            return {"call": (reset, lambda x: np.asarray(model(x[:, None])))}
        if not self.best:
            return {"predict": (reset, lambda x: model.predict(x[:, None], verbose=0))}
        import tensorflow as tf

        function = tf.function(lambda x: model(x, training=False))
        return {
            "predict_on_batch": (reset, lambda x: model.predict_on_batch(x[:, None])),
            "function": (reset, lambda x: function(tf.convert_to_tensor(x[:, None])).numpy()),
        }


def load(variant: str, threads: int) -> Peer:
    """Import Keras on the backend."""
    backend, _, how = variant.partition("+")
    if how == "elman":
        # Last, so that everything but elman comes from the peer's own environment.
        sys.path.append(os.environ["ELMAN_FOLDER"])
        os.environ["ELMAN_THREADS"] = str(threads)
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras  # noqa: F401

    return Keras(variant, threads)


if __name__ == "__main__":
    serve(load)
