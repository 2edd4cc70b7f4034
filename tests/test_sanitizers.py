"""The native code under the compiler's sanitizers. Slow, because each builds the core anew:
`pytest -m slow tests/test_sanitizers.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILDS = {"address,undefined": ["libasan.so", "libubsan.so"], "thread": ["libtsan.so"]}

# Every cell, mask, direction, precision, instruction set and optimizer once, at odd sizes and
# numbers of threads.
WORK = """
import itertools
import numpy as np, elman
from elman import Input, Sequential, _core, optimizers
from elman.layers import *
from elman.layers import dense, recurrent
rng = np.random.default_rng(0)
elman.set_random_seed(0)
for module in (recurrent, dense):  # products of bfloat16 at any size
    module.BF16_UNITS = module.BF16_FEATURES = 1
cells = [(SimpleRNN, {}), (LSTM, {}), (GRU, {}), (GRU, {"reset_after": False})]
for isa in _core.available_isas():
    _core.use_isa(isa)
    for threads, policy in ((1, "float32"), (3, "float32"), (3, "mixed_bfloat16")):
        elman.set_threads(threads)
        elman.set_dtype_policy(policy)
        for cell, more in cells:
            for back in (False, True):
                first = cell(7, return_sequences=True, dropout=0.2, go_backwards=back, **more)
                model = Sequential([Embedding(50, 5, mask_zero=True), first, cell(17, **more)])
                model.add(Dense(3, "softmax"))
                adam = optimizers.Adam(clipnorm=1.0)
                model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
                x, y = rng.integers(0, 50, (11, 19)), rng.integers(0, 3, 11)
                model.fit(x, y, batch_size=4, epochs=2, verbose=0, validation_split=0.3)
                for tokens in (x, x, rng.integers(0, 50, (9, 19))):
                    model.predict(tokens, verbose=0)
                str(model.plan(steps=19))
        model = Sequential([Input((None, 3)), Masking(), Dropout(0.5)])
        model.add(LSTM(33, activation="relu", return_sequences=True))
        model.add(Dense(2, "sigmoid"))
        model.compile(optimizers.SGD(0.01, momentum=0.9, nesterov=True, clipvalue=0.5), "mse")
        x = rng.standard_normal((5, 1, 3)).astype("f")
        x[0] = 0
        model.fit(x, rng.random((5, 1, 2)), epochs=2, verbose=0)
        plan = model.plan_for(x, rows=5, keep=True)
        plan.forward(x)
        for name in plan.native.names:
            plan.native.peek(name)
elman.set_dtype_policy("float32")
elman.set_threads(3)
for mode in Bidirectional.MODES:  # two readers of one slot, and looking inside
    model = Sequential([Embedding(50, 5, mask_zero=True)])
    model.add(Bidirectional(LSTM(7, return_sequences=True, dropout=0.2), merge_mode=mode))
    model.add(Bidirectional(GRU(3)))
    model.add(Dense(1, "sigmoid"))
    model.compile("adam", "binary_crossentropy")
    x, y = rng.integers(0, 50, (11, 19)), rng.integers(0, 2, (11, 1))
    model.fit(x, y, batch_size=4, epochs=3, verbose=0)
    model.gradient_flow(x, y)
    model.trace(x).statistics()
model = Sequential([Embedding(50, 5, mask_zero=True), LSTM(256, return_sequences=True), GRU(7)])
model.predict(rng.integers(0, 50, (1, 9)), verbose=0)  # threads share the units of one row
stream = model.stream()
stream.run(rng.integers(0, 50, 40))
cells = [("simple_rnn", "relu", 1), ("lstm", "tanh", 4), ("gru", "tanh", 3)]
sizes = [(3, 7, 5, 2, None), (1, 1, 1, 1, None), (65, 129, 40, 33, None),
         (9, 130, 40, 33, [33] * 20 + [5] * 20)]
for kind, real in ((_core.FloatSequence, "f4"), (_core.DoubleSequence, "f8")):  # as torch calls it
    make = lambda *shape: (0.05 * rng.standard_normal(shape)).astype(real)
    at = lambda *arrays: [a.ctypes.data for a in arrays]
    for isa, (cell, act, G), (F, H, T, B, packed) in itertools.product(
        _core.available_isas(), cells, sizes
    ):
        _core.use_isa(isa)
        n = sum(packed or [B] * T)
        walk = kind(cell, act, tuple(range(G)), True, F, H, T, B, 2, 3, packed)
        tensors = [make(G * H, k) if k else make(G * H) for k in (F, H, 0, 0)] * 2
        gradients = [np.full_like(t, np.nan) for t in tensors]
        x, d_x, y, h, c = make(n, F), make(n, F), make(n, 2 * H), make(2, B, H), make(2, B, H)
        inputs, outputs = (*at(x), B * F, F), (*at(y), B * 2 * H, 2 * H)
        states = (*at(h), at(c)[0] if G == 4 else 0)
        for keep in (False, True):
            walk.forward(at(*tensors), inputs, states, outputs, states, keep)
        slopes = (*at(d_x), B * F, F)
        walk.backward(at(*tensors), inputs, outputs, states, slopes, states, at(*gradients))
        assert np.isfinite(d_x).all() and all(np.isfinite(g).all() for g in gradients)
print("all of it ran")
"""

#: Every other layer, graphs, states that are carried, sequences of unequal length, long ones.
LAYERS = """
import numpy as np
import elman
from elman import Input, Model, Sequential, _core, layers as L, optimizers

rng = np.random.default_rng(1)
elman.set_threads(3)
x = rng.standard_normal((11, 13, 5)).astype("f")
x[:, 9:] = 0
middles = [
    [L.Conv1D(7, 3, padding="causal", dilation_rate=2, activation="relu"), L.MaxPooling1D(3)],
    [L.Conv1D(3, 4, strides=3, padding="same"), L.AveragePooling1D(2, padding="same")],
    [
        L.Masking(),
        L.BatchNormalization(),
        L.LayerNormalization(),
        L.GlobalAveragePooling1D(),
        L.RepeatVector(4),
    ],
    [
        L.SpatialDropout1D(0.3),
        L.GaussianNoise(0.1),
        L.LeakyReLU(),
        L.Permute((2, 1)),
        L.Reshape((13, 5)),
    ],
    [
        L.ZeroPadding1D(2),
        L.Cropping1D((1, 3)),
        L.UpSampling1D(2),
        L.TimeDistributed(L.Dense(9, kernel_constraint="max_norm")),
    ],
    [L.Masking(), L.RNN([L.LSTMCell(7), L.GRUCell(5)], return_sequences=True), L.Softmax()],
    [
        L.Masking(),
        L.Bidirectional(
            L.GRU(6, return_sequences=True, recurrent_dropout=0.3, kernel_regularizer="l2"),
            "concat",
        ),
    ],
    [
        L.Rescaling(2.0, 1.0),
        L.LSTM(17, return_sequences=True, activity_regularizer="l1", zero_output_for_mask=True),
    ],
]
for isa in _core.available_isas():
    _core.use_isa(isa)
    for middle in middles:
        model = Sequential(
            [
                Input((13, 5)),
                *[type(m).from_config(m.get_config()) for m in middle],
                L.GlobalMaxPooling1D(),
                L.Dense(2, "softmax"),
            ]
        )
        model.compile(
            optimizers.Adam(clipnorm=1.0), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        y = rng.integers(0, 2, 11)
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, sample_weight=rng.random(11))
        model.predict(x, verbose=0)
        model.predict(x[:1], verbose=0)
        model.evaluate(x, y, verbose=0)
a, b = Input((13, 5)), Input((4,))
h, s = L.GRU(6, return_sequences=True, return_state=True)(L.Masking()(a))
d = L.Dense(6)(b)
m = L.Multiply()([L.Average()([s, d]), L.Maximum()([s, d]), L.Subtract()([s, d])])
out = L.Dense(3)(L.Concatenate()([m, L.LSTM(4)(h, initial_state=[L.Dense(4)(m), L.Dense(4)(b)])]))
model = Model([a, b], [out, L.Dense(1, "sigmoid")(m)])
model.compile("rmsprop", ["mse", "binary_crossentropy"], loss_weights=[0.5, 2.0])
z = rng.standard_normal((11, 4)).astype("f")
model.fit(
    [x, z], [rng.random((11, 3)), rng.integers(0, 2, (11, 1))], batch_size=4, epochs=2, verbose=0
)
model.predict([x, z], verbose=0)
model = Sequential(
    [Input((None, 5), batch_size=4), L.LSTM(7, stateful=True, return_sequences=True), L.Dense(1)]
)
model.compile("sgd", "mse")
model.fit(x[:8], rng.random((8, 13, 1)), batch_size=4, epochs=2, verbose=0, shuffle=False)
model.predict(x[:8], batch_size=4, verbose=0)
model.reset_states()
ragged = [rng.standard_normal((n, 5)).astype("f") for n in (1, 9, 4, 13, 2)]
model = Sequential([Input((None, 5)), L.Bidirectional(L.LSTM(9)), L.Dense(1)])
model.compile("adam", "mse")
model.fit(ragged, rng.random((5, 1)), batch_size=2, epochs=2, verbose=0)
model.predict(ragged, verbose=0)
long = rng.standard_normal((2, 700, 5)).astype("f")
model = Sequential([Input((None, 5)), L.GRU(9, return_sequences=True), L.Dense(1)])
model.compile("adam", "mse")
model.fit(long, rng.random((2, 700, 1)), epochs=1, verbose=0, tbptt=100)
model.fit(long, rng.random((2, 700, 1)), epochs=1, verbose=0, recompute=True)
print("all of it ran")
"""


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", BUILDS)
def test_native_code_is_clean_under_sanitizers(sanitizers: str, tmp_path: Path) -> None:
    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler) or not shutil.which("cmake"):
        pytest.skip("needs g++ and cmake")
    package = tmp_path / "elman"
    shutil.copytree(ROOT / "src" / "elman", package, ignore=shutil.ignore_patterns("_core*.so"))
    build = tmp_path / "build"
    run = {"check": True, "capture_output": True, "text": True}
    subprocess.run(
        ["cmake", "-S", str(ROOT), "-B", str(build), f"-DELMAN_SANITIZE={sanitizers}",
         f"-DPython_EXECUTABLE={sys.executable}", "-DELMAN_STUBS=OFF"],
        **run,
    )  # fmt: skip
    subprocess.run(["cmake", "--build", str(build), "--parallel", "2"], **run)
    (module,) = build.glob("_core*.so")
    shutil.copy(module, package)
    libraries = [
        subprocess.run([compiler, f"-print-file-name={name}"], **run).stdout.strip()
        for name in BUILDS[sanitizers]
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "LD_PRELOAD": " ".join(libraries),
        # Python itself leaks on purpose; we look for what our code does to memory.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=1:ignore_noninstrumented_modules=1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    for work in (WORK, LAYERS):
        done = subprocess.run(
            [sys.executable, "-c", work],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        assert "all of it ran" in done.stdout
