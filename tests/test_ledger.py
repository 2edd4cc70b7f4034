"""The ledger: what it counts, judged by weights, by Keras and by PyTorch, and how it shows it."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import elman
from elman import NotReadyError, OptionError, SpecError, UnknownNameError, initializers
from elman.explain.ledger import budget, formulas
from elman.explain.ledger.counting import LayerAccount
from elman.layers import GRU, LAYERS, LSTM, Dense, Embedding, Input, SimpleRNN
from elman.layers.merging import Merging

STACK = "60x1 > rnn(16,seq) > gru(16,seq) > lstm(16) > dense(1,sigmoid)"
WORDS = "15 > embedding(15000,32) > lstm(16) > dense(1)"


def evaluated(formula: str, values: dict[str, int] | None = None) -> int:
    """What a formula comes to, by Python."""
    return int(eval(formula.replace("[", "(").replace("]", ")"), {}, values or {}))


def every_layer(rng: np.random.Generator) -> dict[str, list[tuple[str, tuple[int | None, ...]]]]:
    """Lines of one layer and the input it has, for each layer elman has, at random sizes."""
    features, units, words = (int(n) for n in rng.integers(1, 40, 3))
    steps: tuple[int | None, ...] = (None, 5, features)
    cells = [f"({units})", f"({units},nobias)", f"({units},seq,back)"]
    found = {
        "Activation": ["activation(relu)"],
        "AveragePooling1D": ["average_pooling1d"],
        "BatchNormalization": [
            "batch_normalization",
            "batch_normalization(scale=false)",
            "batch_normalization(trainable=false)",
        ],
        "Conv1D": [f"conv1d({units},3)", f"conv1d({units},2,padding=same,nobias)"],
        "Cropping1D": ["cropping1d"],
        "Dense": [f"dense({units})", f"dense({units},nobias)"],
        "Dropout": ["dropout(0.5)"],
        "ELU": ["elu"],
        "Embedding": [f"embedding({words},{units})"],
        "Flatten": ["flatten"],
        "GaussianDropout": ["gaussian_dropout(0.5)"],
        "GaussianNoise": ["gaussian_noise(0.5)"],
        "GlobalAveragePooling1D": ["global_average_pooling1d"],
        "GlobalMaxPooling1D": ["global_max_pooling1d"],
        "GRU": [f"gru{c}" for c in cells] + [f"gru({units},reset_after=false)"],
        "LSTM": [f"lstm{c}" for c in cells],
        "LayerNormalization": [
            "layer_normalization",
            "layer_normalization(rms_scaling=true)",
            "layer_normalization(center=false)",
        ],
        "LeakyReLU": ["leaky_re_lu"],
        "Masking": ["masking"],
        "MaxPooling1D": ["max_pooling1d"],
        "Normalization": ["normalization", "normalization(axis=none)"],
        "Permute": [],  # a line has no word for its option
        "ReLU": ["re_lu"],
        "RepeatVector": ["repeat_vector(3)"],
        "Rescaling": ["rescaling(0.5)"],
        "Reshape": [f"reshape({5 * features})"],
        "Softmax": ["softmax"],
        "SpatialDropout1D": ["spatial_dropout1d(0.5)"],
        "TimeDistributed": [f"time_distributed(dense({units}))"],
        "UpSampling1D": ["up_sampling1d"],
        "ZeroPadding1D": ["zero_padding1d"],
        "RNN": [],  # a line has no word for its option
        "SimpleRNN": [f"rnn{c}" for c in cells],
        "Bidirectional": [f"bi({cell}{c})" for cell in ("rnn", "lstm", "gru") for c in cells[:2]],
    }
    # A line of layers one after the other has no place for those that take several.
    found |= {name: [] for name, layer in LAYERS.items() if issubclass(layer, Merging)}
    other: dict[str, tuple[int | None, ...]] = {
        "Embedding": (None, 5),
        "RepeatVector": (None, features),
    }
    return {name: [(line, other.get(name, steps)) for line in found[name]] for name in LAYERS}


NAMES = sorted(LAYERS)


# -- what is counted ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_every_formula_comes_to_the_number_of_weights(name, seed):
    for line, entering in every_layer(np.random.default_rng(seed))[name]:
        model = elman.parse(line)
        model.build(entering)
        (account,) = model.ledger().layers
        weights = model.get_weights()
        assert account.total == sum(w.size for w in weights) == model.count_params()
        assert [tensor.total for tensor in account.tensors] == [w.size for w in weights]
        assert [tensor.shape for tensor in account.tensors] == [w.shape for w in weights]
        for part in (account, *account.gates, *account.tensors):
            assert evaluated(part.symbols, part.values) == part.total, part
            assert evaluated(part.numbers) == part.total, part
        if account.gates:
            assert sum(gate.total for gate in account.gates) == account.total
        for row in account.rows:
            assert evaluated(row.symbols, account.values) == evaluated(row.numbers) == row.count
            assert row.count == np.prod(row.shape)


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_has_letters_and_a_letter_has_one_value(name):
    for line, entering in every_layer(np.random.default_rng(7))[name]:
        model = elman.parse(line)
        model.build(entering)
        (account,) = model.ledger().layers
        for row in account.rows:
            assert len(row.letters) == len(row.shape)
            for letter, extent in zip(row.letters, row.shape, strict=True):
                assert extent == (int(letter) if letter.isdigit() else account.values[letter])
            single = row.tensor in ("count", "mean", "variance") and row.shape == (1,)
            assert single or not row.letters[-1].isdigit(), f"{row.tensor} has no letters"


@pytest.mark.parametrize("name", NAMES)
def test_keras_counts_the_same(name, keras):
    for line, entering in every_layer(np.random.default_rng(11))[name]:
        model = elman.parse(line)
        model.build(entering)
        config = model.layers[0].get_config()
        theirs = getattr(keras.layers, name).from_config(config)
        theirs.build(entering)
        assert model.ledger().total == theirs.count_params(), line


def test_a_lstm_of_16_units_on_32_features_has_four_gates_of_784():
    ledger = elman.ledger("100x32 > lstm(16)")
    gates = ledger.layers[0].gates
    assert [gate.name for gate in gates] == [f"lstm/{gate}" for gate in LSTM.gates]
    assert {(g.symbols, g.numbers, g.total) for g in gates} == {
        ("(F + H) * H + H", "(32 + 16) * 16 + 16", 784)
    }
    assert (ledger.total, ledger["lstm"].symbols) == (3136, "4 * [(F + H) * H + H]")


def test_a_gru_has_the_textbooks_parameters_and_a_second_bias_and_says_why():
    ledger = elman.ledger("100x32 > gru(16)")
    (found,) = ledger.elsewhere
    assert (ledger.total, found.textbook, found.second_size) == (2400, 2352, 48)
    assert found.formula == "3 * [(F + H) * H + H] = 3 * [(32 + 16) * 16 + 16] = 2,352"
    assert found.second == "3 * H = 3 * 16 = 48"
    told = " ".join(str(ledger).split())
    assert "With reset_after the reset gate is applied after the recurrent product" in told
    before = str(elman.ledger("100x32 > gru(16,reset_after=false)"))
    assert "needs a bias of its own" not in before and "PyTorch adds a second bias" in before


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [
        ({("H",): 1}, "H"),
        ({("H",): 4}, "4 * H"),
        ({("F", "H"): 1, ("H",): 1}, "F * H + H"),
        ({("F", "H"): 2, ("H", "H"): 1, ("H",): 1}, "2 * F * H + H * H + H"),
        ({("F", "H"): 6, ("H", "H"): 6, ("2", "H"): 6}, "6 * [(F + H) * H + 2 * H]"),
        ({("A", "B", "C"): 2}, "2 * A * B * C"),
        ({}, "0"),
    ],
)
def test_formulas_put_common_factors_first(terms, wanted):
    assert formulas.symbols(terms) == wanted


@given(
    st.dictionaries(
        st.lists(st.sampled_from("FHVE23"), min_size=1, max_size=3).map(tuple),
        st.integers(1, 12),
        max_size=6,
    ),
    st.fixed_dictionaries({letter: st.integers(1, 99) for letter in "FHVE"}),
)
def test_any_sum_of_products_is_written_without_changing_it(terms, values):
    wanted = sum(
        n * int(np.prod([values.get(c) or int(c) for c in term])) for term, n in terms.items()
    )
    assert evaluated(formulas.symbols(terms), values) == wanted
    assert evaluated(formulas.numbers(terms, values)) == wanted


def test_what_is_fixed_is_told():
    ledger = elman.ledger("9x2 > gru(3,trainable=false) > dense(1)")
    assert ledger.total - ledger.trainable == ledger["gru"].total == 63
    assert "63 of them are fixed" in str(ledger)


def test_one_fixed_direction_is_told_by_ledger_and_summary_and_the_file_of_the_optimizer():
    line = "9x2 > bi(gru(3,trainable=false),backward_layer=gru(3,back,name=other)) > dense(1)"
    # The options of the other direction are its own.
    model, shown = elman.parse(line), []
    assert model.ledger().total - model.ledger().trainable == 63
    model.summary(print_fn=shown.append)
    assert "Fixed: 63" in shown[0]
    model.compile("adam", "mse")
    assert model.trainable_indices == [3, 4, 5, 6, 7]


def test_counting_a_line_draws_no_random_weights(monkeypatch):
    def drawn(*_):
        raise AssertionError("a weight was drawn")

    monkeypatch.setattr(initializers.Orthogonal, "__call__", drawn)
    monkeypatch.setattr(initializers.GlorotUniform, "__call__", drawn)
    assert "67 parameters" in str(elman.ledger("9x2 > gru(3) > dense(1)"))
    assert elman.ledger(budget=100, like="9x2 > gru(?) > dense(1)").training_bytes > 0
    with pytest.raises(AssertionError, match="drawn"):  # whoever wants a model has one to train
        elman.parse("9x2 > gru(3)")


def test_what_has_no_parameters_needs_no_letters():
    told = str(elman.ledger("9x2 > activation(relu)"))
    assert "0 parameters" in told and "Letters" not in told


def test_one_is_not_many():
    told = " ".join(str(elman.ledger("1x1 > rnn(1,nobias)", batch_size=1)).split())
    assert "1 unit on the flattened input of simple_rnn, 1 step x 1 feature:" in told
    assert "batch of 1 row," in told


# -- what does not matter -------------------------------------------------------------------------


@pytest.mark.parametrize("line", [STACK, WORDS, "180 > dense(8) > dense(1)", "?x3 > gru(2)"])
def test_length_and_batch_are_shown_not_to_matter(line):
    ledger = elman.ledger(line, batch_size=7)
    assert set(ledger.lengths.values()) == set(ledger.batches.values()) == {ledger.total}
    assert len(ledger.lengths) == len(ledger.batches) == 2
    assert "What does not matter" in str(ledger)


def test_a_model_that_sees_all_steps_at_once_says_that_the_length_matters():
    ledger = elman.parse("6x2 > conv1d(4,3) > max_pooling1d(2) > flatten > dense(3)").ledger()
    assert not ledger.any_length
    assert "The length of the sequences matters" in " ".join(str(ledger).split())
    # 3 products of 2 features by 4 filters, at each of the 4 places where 3 steps are
    assert ledger.costs[0] == ("conv1d", 3 * 2 * 4, 4)
    pooled = elman.parse("6x2 > conv1d(4,3) > global_average_pooling1d > dense(3)").ledger()
    assert pooled.any_length
    assert "the length of the sequences and the batch" in " ".join(str(pooled).split())


def test_a_layer_that_does_depend_on_the_length_is_not_called_independent(monkeypatch):
    def by_length(self: Dense, shape: Any) -> Any:
        return [elman.layers.Param("kernel", (shape[1] or 1,), self.kernel_initializer)]

    ledger = elman.ledger("5x3 > dense(2)")
    monkeypatch.setattr(Dense, "params", by_length)
    assert len(set(ledger.lengths.values())) == 2
    assert not ledger.any_length
    assert "The length of the sequences matters" in " ".join(str(ledger).split())


# -- beside others --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("bias", [True, False])
def test_the_count_for_pytorch_is_pytorchs(kind, bias, rng):
    torch = pytest.importorskip("torch")
    features, units = (int(n) for n in rng.integers(1, 30, 2))
    module = getattr(torch.nn, kind)(features, units, bias=bias)
    ledger = elman.ledger(module)
    (found,) = ledger.elsewhere
    assert found.torch == sum(p.numel() for p in module.parameters())
    own = {"RNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}[kind](units, use_bias=bias)
    assert ledger.total == LayerAccount(own, (None, None, features)).total
    assert (found.torch > found.textbook) is bias


def test_a_pytorch_module_is_read_layer_by_layer():
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(50, 8)
            self.stack = torch.nn.LSTM(8, 6, num_layers=2)
            self.both = torch.nn.ModuleDict({"out": torch.nn.Linear(6, 2)})
            self.norm = torch.nn.LayerNorm(2)

    net = Net()
    ledger = elman.ledger(net)
    assert [a.name for a in ledger.layers] == ["words", "stack", "stack_1", "both_out"]
    (norm,) = ledger.uncounted
    assert tuple(norm) == ("norm", "LayerNorm", 4)
    counted = sum(found.torch for found in ledger.elsewhere)
    assert counted + norm.parameters == sum(p.numel() for p in net.parameters())
    told = " ".join(str(ledger).split())
    assert "Not counted: norm (LayerNorm), 4 parameters" in told
    assert f"{ledger.total:,} parameters, and 4 not counted" in told
    assert f"In PyTorch the module has {counted + 4:,} parameters" in told


def test_a_pytorch_module_that_goes_both_ways_is_counted_twice():
    torch = pytest.importorskip("torch")
    module = torch.nn.GRU(8, 6, num_layers=2, bidirectional=True)
    counted = sum(found.torch for found in elman.ledger(module).elsewhere)
    assert counted == sum(p.numel() for p in module.parameters())


def test_a_keras_model_is_read_and_what_elman_lacks_is_named(keras):
    known = [
        keras.Input((20,)),
        keras.layers.Embedding(50, 8, name="embedding"),  # Keras would number it for the process
        keras.layers.GRU(6, name="gru"),
    ]
    model = keras.Sequential([*known, keras.layers.Dense(2, name="dense")])
    ledger = elman.ledger(model)
    assert ledger.total == model.count_params()
    assert ledger.title.endswith("embedding(50,8) > gru(6) > dense(2)")
    assert not ledger.uncounted
    model = keras.Sequential([*known, keras.layers.GroupNormalization(2), keras.layers.Dense(2)])
    ledger = elman.ledger(model)
    (lacking,) = ledger.uncounted
    assert lacking.kind == "GroupNormalization"
    assert ledger.total + lacking.parameters == model.count_params()
    # Also one that is no simple stack, and a layer with an option as elman does not have it.
    x = keras.Input((9, 3))
    halves = [keras.layers.LSTM(4)(x), keras.layers.LSTM(4, recurrent_dropout=1.0)(x)]
    branched = keras.Model(x, keras.layers.Dense(2)(keras.layers.Concatenate()(halves)))
    ledger = elman.ledger(branched)
    assert {part.kind: part.parameters for part in ledger.uncounted} == {
        "LSTM": ledger.layers[0].total,
        "Concatenate": 0,
    }
    assert ledger.total + sum(p.parameters for p in ledger.uncounted) == branched.count_params()


@pytest.mark.parametrize("form", [str, lambda path: path])
def test_a_model_file_is_read(form, tmp_path):
    path = tmp_path / "model.keras"
    elman.parse(WORDS).save(path)
    assert elman.ledger(form(path)).total == elman.ledger(WORDS).total


# -- costs and comparisons ------------------------------------------------------------------------


@pytest.mark.parametrize("line", [STACK, WORDS, "9x3 > gru(5,seq) > dense(4) > dropout(0.1)"])
def test_multiply_adds_are_half_the_floating_point_operations_of_the_plan(line):
    model = elman.parse(line)
    steps = 13
    plan = model.plan(steps)
    ledger = model.ledger(steps=steps)
    counted = {cost.layer: cost.per_sequence for cost in ledger.costs}
    planned = {
        op["name"].split("/")[0]: op["flops"]
        for op in plan.native.describe()
        if op["op"] in ("recurrent", "dense")
    }
    assert planned
    for name, flops in planned.items():
        # A plan also counts what a cell does to each unit; that is small and no product.
        products = 2 * counted[name]
        assert products <= flops <= 1.6 * products, name


def test_memory_is_that_of_the_plan():
    model = elman.parse(STACK)
    ledger = model.ledger(steps=17, batch_size=5)
    assert ledger.training_bytes == model.plan(17, batch_size=5).native.bytes
    assert ledger.weight_bytes == sum(w.nbytes for w in model.get_weights())
    assert model.ledger(steps=34, batch_size=5).training_bytes > ledger.training_bytes


def test_a_dense_layer_on_the_flattened_input_is_counted_by_making_it():
    ledger = elman.ledger("60x4 > dense(7) > gru(16) > dense(1)")
    flat = ledger.flattened
    made = elman.Sequential([Input((60 * 7,)), Dense(16)])
    assert (flat.dense, flat.recurrent) == (made.count_params(), ledger["gru"].total)
    assert evaluated(flat.formula.split(" = ")[1]) == flat.dense
    assert flat.dense_longer > flat.dense
    assert elman.ledger("60 > dense(7)").flattened is None


def test_one_hot_words_are_counted_beside_the_table_that_replaces_them():
    hot = elman.ledger(WORDS, sentences=100).one_hot
    assert (hot.numbers, hot.table, hot.indices) == (22_500_000, 480_000, 1500)
    assert "22.5 million" in " ".join(str(elman.ledger(WORDS)).split())
    assert elman.ledger(STACK).one_hot is None


def test_the_length_is_the_inputs_or_what_is_asked_or_said_to_be_assumed():
    assert elman.ledger(STACK).steps == 60
    assert elman.ledger(STACK, steps=7).steps == 7
    unknown = elman.ledger("?x1 > gru(2)")
    assert unknown.steps_assumed and "(assumed" in str(unknown)
    assert not elman.ledger("?x1 > gru(2)", steps=5).steps_assumed


# -- the inverse question -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "like",
    [
        "60x1 > gru(?) > dense(1)",
        "60x1 > lstm(?,seq) > lstm(?) > dense(3)",
        "100 > embedding(50,?) > rnn(8)",
        "100 > embedding(?,?) > gru(?)",
        "30 > dense(?)",
    ],
)
@pytest.mark.parametrize("limit", [1_200, 10_000])
def test_the_answer_fits_and_one_more_does_not(like, limit):
    ledger = elman.ledger(budget=limit, like=like)
    by_hand = [elman.parse(like, unknown=ledger.answer + more).count_params() for more in (0, 1)]
    assert ledger.total == by_hand[0] <= limit < by_hand[1]
    assert f"? = {ledger.answer:,} is the largest that fits" in " ".join(str(ledger).split())


def test_models_are_counted_without_making_them():
    for line in (STACK, WORDS, "9x2 > masking > gru(3,reset_after=false) > dropout(0.5)"):
        assert budget.count(line, 1) == elman.parse(line).count_params()
    assert budget.count("9x9 > dense(?)", 10**12) == 10 * 10**12


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"budget": 10, "like": "60x1 > gru(?) > dense(1)"}, OptionError, "needs 14 parameters"),
        ({"budget": 99, "like": "60x1 > gru(2)"}, OptionError, "a '?' on which"),
        ({"budget": 99, "like": "60x1 > gru(2) > masking(?)"}, SpecError, "needs every step"),
        ({"budget": 99, "like": "gru(?)"}, NotReadyError, "Put an Input first"),
        ({"budget": 99, "like": "60x1 > gri(?)"}, SpecError, "did you mean 'gru'"),
        ({"budget": 0, "like": "60x1 > gru(?)"}, OptionError, "whole number >= 1"),
        ({"budget": 99}, OptionError, "budget and like together"),
        ({"like": "60x1 > gru(?)"}, OptionError, "budget and like together"),
        ({}, OptionError, "expected a model"),
        ({"thing": 5}, OptionError, "got 5 (int)"),
        ({"thing": "60x1 > gru(?)"}, SpecError, "within a budget"),
        ({"thing": "gru(3)"}, NotReadyError, "to know the input of GRU 'gru'"),
        ({"thing": elman.Sequential()}, NotReadyError, "expected layers"),
        ({"thing": STACK, "steps": 0}, OptionError, "steps to be a whole number >= 1"),
        ({"thing": STACK, "batch_size": 1.5}, OptionError, "batch_size"),
        ({"thing": STACK, "sentences": -1}, OptionError, "sentences"),
    ],
)
def test_what_cannot_be_answered_is_said(arguments, error, words):
    with pytest.raises(error, match=re.escape(words)):
        elman.ledger(**arguments)


# -- access ---------------------------------------------------------------------------------------


def test_parts_are_reached_by_name():
    ledger = elman.ledger(STACK)
    assert ledger["lstm"].total == 2112
    assert ledger["lstm/forget_gate"].total * 4 == ledger["lstm"].total
    assert ledger["lstm/kernel"].shape == (16, 64)
    assert ledger["lstm/kernel/forget_gate"].numbers == "16 * 16"
    assert sum(row.count for row in ledger.rows) == ledger.total == 4049
    assert {row.layer for row in ledger.rows} == {"simple_rnn", "gru", "lstm", "dense"}
    with pytest.raises(UnknownNameError, match="Did you mean 'lstm'"):
        ledger["lstmm"]
    with pytest.raises(UnknownNameError, match="Did you mean 'lstm/forget_gate'"):
        ledger["lstm/forgot_gate"]


def test_a_model_has_its_ledger():
    model = elman.Sequential([Input((9,)), Embedding(20, 3), GRU(4, dropout=0.5)])
    assert model.ledger().title == "9 > embedding(20,3) > gru(4,dropout=0.5)"
    start = elman.initializers.RandomNormal(stddev=0.1)
    model = elman.Sequential([Input((9, 1)), GRU(4, kernel_initializer=start)], name="mine")
    assert model.ledger().title == "mine", "a line has no words for it"


# -- forms ----------------------------------------------------------------------------------------

LINES = [
    STACK,
    WORDS,
    "180 > dense(8, relu) > dense(1)",
    "20000x1000 > lstm(128,seq) > gru(128) > dense(1000,softmax)",
    "?x3 > masking > gru(7,nobias)",
    "30 > embedding(50,8) > bi(lstm(16,seq)) > bi(gru(4))",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("columns", [80, 200, 50])
def test_it_prints_within_the_columns_there_are_in_plain_ascii(line, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = str(elman.ledger(line, steps=4, batch_size=2))
    assert shown.isascii()
    assert max(map(len, shown.splitlines())) <= min(columns, 80)
    assert f"{elman.ledger(line).total:,} parameters" in shown


@pytest.mark.parametrize("line", LINES)
def test_every_form_tells_the_same(line):
    ledger = elman.ledger(line, steps=4, batch_size=2)
    for shown in (str(ledger), ledger.to_markdown(), ledger._repr_html_()):
        words = re.sub(r"<[^>]+>|[*`|]", " ", shown)
        for account in ledger.layers:
            assert (account.name in words and f"{account.total:,}" in words) or not account.rows


def test_csv_holds_the_rows():
    ledger = elman.ledger(STACK)
    rows = list(csv.DictReader(io.StringIO(ledger.to_csv())))
    assert sum(int(row["count"]) for row in rows) == ledger.total
    assert all(evaluated(row["numbers"]) == int(row["count"]) for row in rows)
    assert [row["gate"] for row in rows if row["layer"] == "lstm"] == [*LSTM.gates] * 3


def test_json_holds_the_numbers():
    found = json.loads(elman.ledger(WORDS).to_json())
    assert found["total"] == sum(layer["count"] for layer in found["layers"]) == 483153
    lstm = found["layers"][1]
    assert lstm["gates"]["forget_gate"]["count"] == 784
    assert sum(tensor["count"] for tensor in lstm["tensors"].values()) == lstm["count"]
    assert found["one_hot"]["numbers"] == 22_500_000
    assert found["same_for_steps"] == {"15": 483153, "30": 483153}


def test_markdown_tables_have_as_many_cells_as_columns():
    blocks = re.findall(r"(?:^\|.*\n)+", elman.ledger(STACK).to_markdown(), re.MULTILINE)
    assert len(blocks) == 3
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_the_page_needs_nothing_and_runs_nothing():
    model = elman.Sequential([Input((5, 1)), GRU(2, name="<b>&")])
    page = model.ledger()._repr_html_()
    assert "<b>" not in page and "&lt;b&gt;&amp;" in page
    assert not re.search(r"https?:|<script|src=|url\(|@import", page)
    for tag in ("div", "table", "ul", "li", "tr", "td", "code"):
        assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>"), tag


@pytest.mark.parametrize("ending", ["md", "csv", "json", "html", "txt"])
def test_it_is_saved_in_the_form_of_the_ending(ending, tmp_path):
    ledger = elman.ledger(STACK)
    path = tmp_path / f"ledger.{ending}"
    ledger.save(path)
    assert path.read_text().endswith("\n") and "simple_rnn" in path.read_text()
    with pytest.raises(OptionError, match=r"\.md, \.csv"):
        ledger.save(tmp_path / "ledger.pdf")


def test_counting_a_line_imports_no_other_library():
    code = (
        "import sys, elman; print(elman.ledger('9x1 > gru(2)').total);"
        "print([m for m in ('torch', 'keras', 'h5py', 'jax') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["30", "[]"], done.stderr
