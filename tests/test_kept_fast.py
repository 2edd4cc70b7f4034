"""Kernels keep their vector path. No time is asserted: a slow machine fails nothing here.

Two witnesses. The plan says which path each operation takes. And valgrind counts instructions,
which hardly differ from run to run: a kernel that lost its vectors, whose sums no longer fit the
registers, or that works on rows nobody looked up, needs several times as many.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import elman
from elman import _core
from elman.bench import CASES
from elman.models import Sequential

# -- what the plan says -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def policy_as_found() -> Iterator[None]:
    """Puts the global policy back."""
    before = elman.dtype_policy()
    yield
    elman.set_dtype_policy(before)


@functools.cache
def model_of(name: str, policy: str = "float32") -> Sequential:
    """A case's model, made once: drawing orthogonal weights of 512 units takes a second."""
    elman.set_dtype_policy(policy)
    return CASES[name].model()


def paths(model: Sequential, op: str, training: bool) -> list[str]:
    """The path of every operation of that kind."""
    plan = model.plan(training=training)
    return [str(found["path"]) for found in plan.native.describe() if found["op"] == op]


@pytest.mark.parametrize("training", [True, False], ids=["fit", "predict"])
@pytest.mark.parametrize("name", CASES)
def test_every_case_of_the_benchmark_takes_the_fused_path(
    name: str, training: bool, isa: str
) -> None:
    case = CASES[name]
    model = model_of(name)
    assert paths(model, "recurrent", training) == [f"{isa} fused"] * len(case.cells)
    assert paths(model, "dense", training) == [isa]


@pytest.mark.parametrize("training", [True, False], ids=["fit", "predict"])
@pytest.mark.parametrize("name", CASES)
def test_every_case_multiplies_bfloat16_where_the_policy_says_so(
    name: str, training: bool, isa: str
) -> None:
    found = paths(model_of(name, "mixed_bfloat16"), "recurrent", training)
    # Which of the two depends on the processor, which has the instruction or not.
    assert set(found) <= {f"{isa} fused bf16", f"{isa} fused bf16 by floats"}
    assert len(found) == len(CASES[name].cells)


def test_the_plan_tells_when_the_fused_path_is_lost(isa: str) -> None:
    layers = [elman.Input((5, 3)), elman.layers.LSTM(16, activation="softsign")]
    assert paths(Sequential(layers), "recurrent", training=False) == [f"{isa} general"]


def test_the_best_instruction_set_of_the_processor_is_the_one_in_use() -> None:
    code = "from elman import _core; print(_core.isa(), *_core.available_isas())"
    environment = {k: v for k, v in os.environ.items() if k != "ELMAN_ISA"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    used, best, *_ = done.stdout.split()
    assert used == best


# -- what valgrind counts -----------------------------------------------------------------------

#: Instructions for one multiply-add of the matrix products (elman.bench's formula), all else that
#: the step needs included; of the Embedding, for one number of one row looked up, which is found,
#: used, given its gradient and moved by SGD. With AVX2, whose vectors have 8 numbers; half again as
#: many as was measured with g++ 12 (of the Embedding a third: what is not vectors is most of it).
BOUNDS = {
    ("LSTM 16", "fit"): 0.67,
    ("LSTM 16", "predict"): 1.05,
    ("LSTM 16", "stream"): 1.24,
    ("GRU 128", "fit"): 0.80,
    ("GRU 128", "predict"): 0.60,
    ("GRU 128", "stream"): 0.49,
    ("SimpleRNN 16", "fit"): 0.98,
    ("SimpleRNN 16", "predict"): 1.72,
    ("SimpleRNN 16", "stream"): 2.65,
    ("Dense 64", "fit"): 0.85,
    ("Dense 64", "predict"): 1.12,
    ("Dense 64", "stream"): 0.72,
    ("Embedding 64", "fit"): 32.0,
}

#: What is counted: the difference between one batch and five, so that all else cancels out. A call
#: of getppid() tells valgrind to write down its counters and begin again from zero.
PROGRAM = """
import os
import numpy as np
import elman
from elman import Input, Sequential, _core
from elman.bench import Case
from elman.layers import Dense, Embedding

rng = np.random.default_rng(0)
elman.set_random_seed(0)
write_down = os.getppid
BATCH = 12  # two full tiles of six rows


def cell(kind, units, steps, features):
    case = Case(kind, ((kind, units),), steps, features, batch=BATCH)
    x, y = case.data(5 * BATCH)
    return case.model(), x, y, case.flops() / 2, case.flops(training=False) / 2


def dense():
    model = Sequential([Input((20, 64)), Dense(64, activation="tanh"), Dense(1)])
    forward = BATCH * 20 * 65 * 64
    x = rng.standard_normal((5 * BATCH, 20, 64)).astype(np.float32)
    return model, x, x[:, :, :1], 2 * forward + BATCH * 20 * 64, forward


def embedding():
    model = Sequential([Input((100,)), Embedding(50000, 64), Dense(1)])
    x = rng.permutation(50000)[: 5 * BATCH * 100].reshape(-1, 100)
    return model, x, np.ones((*x.shape, 1)), BATCH * 100 * 64, BATCH * 100 * 64


work = {
    "LSTM 16": lambda: cell("LSTM", 16, 40, 8),
    "GRU 128": lambda: cell("GRU", 128, 3, 64),
    "SimpleRNN 16": lambda: cell("SimpleRNN", 16, 80, 8),
    "Dense 64": dense,
    "Embedding 64": embedding,
}
for isa in ("avx2", "scalar"):
    _core.use_isa(isa)
    for name, make in work.items():
        model, x, y, *products = make()
        # With momentum, every row of the table would be brought up to date when fit ends.
        model.compile("sgd" if name == "Embedding 64" else "adam", "mse")
        fit = lambda rows: model.fit(x[:rows], y[:rows], batch_size=BATCH, verbose=0)
        predict = lambda rows: model.predict(x[:rows], batch_size=BATCH, verbose=0)
        acts = [("fit", fit), ("predict", predict)]
        if x.ndim == 3:  # the same number of steps, one after the other
            stream = model.stream()
            acts.append(("stream", lambda rows: stream.run(x[:rows].reshape(-1, x.shape[2]))))
            products.append(products[1])
        for (what, act), per_batch in zip(acts, products):
            act(BATCH)
            write_down()
            act(BATCH)
            write_down()
            act(5 * BATCH)
            write_down()
            print(isa, name, what, 4 * per_batch, sep=";")
"""


@functools.cache
def instructions() -> dict[tuple[str, str, str], float]:
    """Instructions for one multiply-add, by instruction set, layer and method."""
    folder = Path(tempfile.mkdtemp())
    try:
        done = subprocess.run(
            [
                "valgrind", "--tool=callgrind", "--dump-before=getppid",
                f"--callgrind-out-file={folder / 'counts'}", sys.executable, "-c", PROGRAM,
            ],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                "ELMAN_THREADS": "1",
                "ELMAN_ISA": "avx2",  # valgrind does not know AVX-512
                "OPENBLAS_NUM_THREADS": "1",
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        lines = [line.split(";") for line in done.stdout.splitlines() if ";" in line]
        counts = [
            int(re.findall(r"^totals: (\d+)", part.read_text(), re.MULTILINE)[0])
            for part in sorted(folder.glob("counts.*"), key=lambda p: int(p.suffix[1:]))
        ]
    finally:
        shutil.rmtree(folder)
    assert len(counts) == 3 * len(lines), "valgrind did not see the calls of getppid()"
    return {
        (isa, name, what): (counts[3 * i + 2] - counts[3 * i + 1]) / float(products)
        for i, (isa, name, what, products) in enumerate(lines)
    }


def counted() -> dict[tuple[str, str, str], float]:
    """The same, where it can be counted."""
    if not shutil.which("valgrind"):
        pytest.skip("needs valgrind, which counts instructions: apt-get install valgrind")
    if "avx2" not in _core.available_isas():
        pytest.skip("needs a processor with AVX2, whose instructions the bounds are of")
    return instructions()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "what"), BOUNDS)
def test_a_multiply_add_takes_few_instructions(name: str, what: str) -> None:
    assert counted()["avx2", name, what] <= BOUNDS[name, what]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "what"), BOUNDS)
def test_the_bound_would_notice_narrower_vectors_without_fused_multiply_adds(
    name: str, what: str
) -> None:
    # The portable kernels have vectors of 4 numbers; a kernel without any is worse.
    assert counted()["scalar", name, what] > BOUNDS[name, what]
