"""The one-line language: what a line means, what it cannot mean, and lines made from models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import elman
from elman import ElmanError, NotReadyError, OptionError, SpecError, activations, spec
from elman.layers import (
    GRU,
    LAYERS,
    LSTM,
    Activation,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Input,
    Masking,
    SimpleRNN,
)
from elman.spec import parsing


def config(model: elman.Sequential) -> dict[str, Any]:
    """All that a line should say."""
    return model.get_config()


# -- what a line means ----------------------------------------------------------------------------

LINES: dict[str, list[Any]] = {
    "60x1 > rnn(16,seq) > gru(16,seq) > lstm(16) > dense(1,sigmoid)": [
        Input((60, 1)),
        SimpleRNN(16, return_sequences=True),
        GRU(16, return_sequences=True),
        LSTM(16),
        Dense(1, activation="sigmoid"),
    ],
    "100 > embedding(15000,32) > lstm(16) > dense(1)": [
        Input((100,)),
        Embedding(15000, 32),
        LSTM(16),
        Dense(1),
    ],
    "embedding(10, 4, mask) > simple_rnn(3)": [Embedding(10, 4, mask_zero=True), SimpleRNN(3)],
    "180 > dense(8, relu) > dense(1)": [Input((180,)), Dense(8, activation="relu"), Dense(1)],
    "?x3 > masking(-1) > gru(5)": [Input((None, 3)), Masking(-1), GRU(5)],
    "*x3 > masking > gru(5)": [Input((None, 3)), Masking(), GRU(5)],
    "60x1>lstm(8,tanh,back,nobias)": [
        Input((60, 1)),
        LSTM(8, activation="tanh", go_backwards=True, use_bias=False),
    ],
    "7x2 > gru(4, dropout=0.25, reset_after=false, recurrent_activation=hard_sigmoid)": [
        Input((7, 2)),
        GRU(4, dropout=0.25, reset_after=False, recurrent_activation="hard_sigmoid"),
    ],
    '7x2 > gru(units=4,name="my layer",recurrent_initializer=zeros) > dropout(0.5)': [
        Input((7, 2)),
        GRU(4, name="my layer", recurrent_initializer="zeros"),
        Dropout(0.5),
    ],
    "7x2 > lstm(4,trainable=false) > activation(softmax)": [
        Input((7, 2)),
        LSTM(4, trainable=False),
        Activation("softmax"),
    ],
    "9x2 > bi(gru(4,seq)) > bidirectional(lstm(3,dropout=0.5),merge_mode=sum)": [
        Input((9, 2)),
        Bidirectional(GRU(4, return_sequences=True)),
        Bidirectional(LSTM(3, dropout=0.5), merge_mode="sum"),
    ],
    "9x2 > bi(gru(4),backward_layer=lstm(4,back))": [
        Input((9, 2)),
        Bidirectional(GRU(4), backward_layer=LSTM(4, go_backwards=True)),
    ],
    "9x2 > bi(gru(4,name=g),name=b)": [
        Input((9, 2)),
        Bidirectional(GRU(4, name="g"), name="b"),
    ],
    "gru(1_000,dtype=mixed_bfloat16)": [GRU(1000, dtype="mixed_bfloat16")],
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_the_model_that_the_same_layers_make(line):
    assert config(elman.parse(line)) == config(elman.Sequential(LINES[line]))


def test_the_words_are_the_classes_of_the_closed_list():
    assert set(parsing.words().values()) == set(LAYERS.values())


def test_spaces_and_line_breaks_do_not_matter():
    loose = "\n 60x1\n >  lstm ( 16 , seq )\t> dense( 1 )\n"
    assert config(elman.parse(loose)) == config(elman.parse("60x1>lstm(16,seq)>dense(1)"))


def test_layers_of_a_line_are_made_without_weights():
    entries = parsing.layers("9x1 > lstm(1000000) > dense(1)")
    assert [entry.name for entry in entries] == ["input", "lstm", "dense"]
    assert not entries[1].built


def test_an_unknown_number_is_filled_in_wherever_it_stands():
    found = elman.parse("?x1 > gru(?,seq) > lstm(?) > dense(1)", unknown=7)
    assert config(found) == config(elman.parse("?x1 > gru(7,seq) > lstm(7) > dense(1)"))


# -- what a line cannot mean ----------------------------------------------------------------------

#: The line, with the place that the error points at between two marks; words of the message.
WRONG = [
    ("60x1 > |lstn|(16) > dense(1)", "unknown layer 'lstn' - did you mean 'lstm'?"),
    ("||", "expected an input or a layer, got the end"),
    ("60x1||", "expected '>' and a layer"),
    ("60x1 >||", "expected a layer, got the end"),
    ("|x| > lstm(3)", "unknown layer 'x'"),
    ("|60x1x3| > lstm(3)", "expected steps x features"),
    ("|0x3| > lstm(3)", "whole numbers from 1 up"),
    ("|1.5| > dense(3)", "whole numbers from 1 up"),
    ("60x1 > |60x1| > lstm(3)", "expected a layer, got '60x1'"),
    ("60x1 |$| lstm(3)", "cannot read '$'"),
    ("60x1 > dense(1) |dense|(2)", "expected '>' or the end, got 'dense'"),
    ("60x1 > lstm(16 |seq|)", "expected ',' or ')', got 'seq'"),
    ("60x1 > lstm(16||", "expected ',' or ')', got the end"),
    ("60x1 > lstm(|>| 3)", "expected a number, a word or option=value"),
    ("60x1 > lstm(units=|)|", "expected a value"),
    ("60x1 > lstm(16,|sqe|)", "lstm does not know 'sqe' - did you mean 'seq'?"),
    ("60x1 > dense(16,|seq|)", "dense does not know 'seq'"),
    ("60x1 > |lstm|", "lstm needs units"),
    ("60x1 > |embedding(5)|", "embedding needs output_dim"),
    ("60x1 > lstm(|16.5|)", "whole number >= 1, got 16.5"),
    ("60x1 > lstm(16,|16|)", "lstm takes units without a name"),
    ("60x1 > lstm(16,|unit=3|)", "no option 'unit' - did you mean 'units'?"),
    ("60x1 > lstm(16,|units=3|)", "units is given twice"),
    ("60x1 > dense(3,sigmoid,|relu|)", "activation is given twice"),
    ("60x1 > lstm(3,|dropout=2|)", "dropout to be a number in [0, 1), got 2"),
    ("60x1 > lstm(3, |activation=tnh|)", "Did you mean 'tanh'?"),
    ("60x1 > lstm(3,|use_bias=maybe|)", "expected use_bias=true or false, got 'maybe'"),
    ("60x1 > lstm(3,|kernel_initializer=zeroes|)", "Did you mean 'zeros'?"),
    ("60x1 > lstm(|?|)", "to be found within a budget"),
    ("60x1 > lstm(|12345678901234567890123456|)", "at most 25 characters"),
    ("60x1 > |lstm(999999999)|", "Make it smaller"),
    ("60x1 > |embedding(3,4)|", "expected tokens of shape (rows, steps)"),
    ("60x1 > lstm(3,seq) > |embedding(3,4)|", "as its first layer"),
    ("60x1 > lstm(3,seq,name=a) > |lstm(3,name=a)|", "'a' twice"),
    ("60x1 > " + "dense(" * 8 + "dense|(|", "inside each other"),
]


@pytest.mark.parametrize(("marked", "message"), WRONG)
def test_an_error_says_what_is_wrong_and_points_at_it(marked, message):
    before, wrong, after = marked.split("|")
    line = before + wrong + after
    with pytest.raises(SpecError) as caught:
        elman.parse(line)
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("spec: ") and message in first
    assert rest == [f"  {line}", "  " + " " * len(before) + "^" + "~" * (len(wrong) - 1)]


@pytest.mark.parametrize(
    ("marked", "advice"),
    [
        ("60x1 > |gru(16)| > lstm(16)", "write gru(16,seq)"),
        ("60x1 > rnn(4,seq) > |gru( 16 )| > dropout(0.1) > lstm(16)", "write gru( 16 ,seq)"),
        ("60x1 > |bi(gru(16))| > lstm(16)", "write bi(gru(16,seq))"),
        ("|60| > lstm(16)", "write 60x1"),
        ("|?| > masking", "write ?x1"),
    ],
)
def test_what_was_forgotten_before_a_layer_is_pointed_at_there(marked, advice):
    before, wrong, after = marked.split("|")
    with pytest.raises(SpecError, match="needs") as caught:
        elman.parse(before + wrong + after)
    assert (caught.value.start, caught.value.end) == (len(before), len(before + wrong))
    assert advice in str(caught.value)


@pytest.mark.parametrize("layers", [1, 30, 60])
def test_of_a_long_line_the_wrong_part_is_shown(layers):
    line = "9x1 > " + "dense(8) > " * layers + "densse(1)" + " > dense(8)" * layers
    with pytest.raises(SpecError) as caught:
        elman.parse(line)
    _, shown, mark = str(caught.value).splitlines()
    assert len(shown) <= 78
    assert shown[mark.index("^") :].startswith("densse")
    assert mark.strip() == "^" + "~" * 5


def test_only_text_is_parsed():
    with pytest.raises(OptionError, match="parse expected text, got 60"):
        elman.parse(60)


PIECES = st.sampled_from(
    [*parsing.words(), *parsing.ALIASES, *parsing.FLAGS, "tanh", "60x1", "?x3", "7", "1", "0.5"]
    + [" > ", "(", ")", ",", "=", "?", "*", '"a b"', "true", "none", "-2", "1e9", "units", "name"]
    + [option for kind in LAYERS.values() for option in kind.options()]
)


@given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=30))
@settings(max_examples=600)
def test_no_text_makes_anything_but_a_model_or_an_error_of_elmans(text):
    try:
        found = elman.parse(text)
    except ElmanError:
        return
    assert isinstance(found, elman.Sequential)


@given(
    st.sampled_from(sorted(parsing.words())),
    st.lists(PIECES, max_size=4),
    st.sampled_from([*LSTM.options(), *Embedding.options(), *Dropout.options()]),
    PIECES,
)
@settings(max_examples=400)
def test_no_option_makes_anything_but_a_model_or_an_error_of_elmans(word, before, option, value):
    arguments = ",".join([*before, f"{option}={value}"])
    for start in ("5x2 > ", "5 > "):
        try:
            elman.parse(f"{start}{word}({arguments})")
        except ElmanError:
            continue


# -- lines made from models -----------------------------------------------------------------------


@pytest.mark.parametrize("line", LINES)
def test_a_line_made_from_a_model_is_read_as_the_same_model(line):
    model = elman.parse(line)
    assert config(elman.parse(spec.write(model))) == config(model)


def test_a_line_says_no_more_than_it_must():
    line = "60x1 > rnn(16,seq) > gru(16,seq) > bi(gru(16)) > dense(1,sigmoid)"
    assert spec.write(elman.parse(line)) == line
    assert spec.write(elman.parse("? > embedding(9,2,mask_zero=true)")) == "? > embedding(9,2,mask)"


activation = st.sampled_from([*activations.ELEMENTWISE])
name = st.none() | st.text("abc 1.\n", min_size=1).filter(lambda text: "\n" not in text)


@st.composite
def models(draw: st.DrawFn) -> elman.Sequential:
    """Stacks with options of all kinds."""
    tokens = draw(st.booleans())
    steps = draw(st.none() | st.integers(1, 9))
    layers: list[Any] = [Input((steps,) if tokens else (steps, draw(st.integers(1, 9))))]
    if tokens:
        layers.append(Embedding(draw(st.integers(1, 99)), 3, mask_zero=draw(st.booleans())))
    elif draw(st.booleans()):
        layers.append(Masking(draw(st.floats(-1e3, 1e3, width=16))))
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([GRU, LSTM, SimpleRNN, Dense, Dropout, Activation]))
        given_name = draw(name)
        options: dict[str, Any] = {
            "name": None if given_name is None else given_name + str(number),
            "trainable": draw(st.booleans()),
            "dtype": draw(st.sampled_from([None, "mixed_bfloat16"])),
        }
        if kind is Dropout:
            layers.append(kind(draw(st.floats(0, 0.875, width=16)), **options))
            continue
        if kind is Activation:
            layers.append(kind(draw(activation), **options))
            continue
        options["activation"] = draw(activation)
        options["use_bias"] = draw(st.booleans())
        options["bias_initializer"] = draw(st.sampled_from(["zeros", "ones"]))
        if kind is not Dense:
            options["return_sequences"] = True
            options["go_backwards"] = draw(st.booleans())
            options["dropout"] = draw(st.sampled_from([0.0, 0.25]))
            options["seed"] = draw(st.none() | st.integers(0, 99))
        if kind is GRU:
            options["reset_after"] = draw(st.booleans())
        layers.append(kind(draw(st.integers(1, 9)), **options))
        if kind is not Dense and draw(st.booleans()):
            mode = draw(st.sampled_from(["concat", "sum", "mul", "ave"]))
            forward, backward = layers.pop(), None
            if forward.go_backwards or draw(st.booleans()):
                config = {**forward.get_config(), "go_backwards": not forward.go_backwards}
                other = draw(st.sampled_from([f"other{number}", f"backward_{forward.name}"]))
                backward = kind.from_config({**config, "name": other})
            layers.append(Bidirectional(forward, mode, backward))
    return elman.Sequential(layers)


@given(models())
def test_any_model_is_written_and_read_again(model):
    line = spec.write(model)
    assert config(elman.parse(line)) == config(model), line


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_line_means_the_same_whatever_the_global_precision_was(policy):
    model = elman.Sequential([Input((3, 2)), GRU(2), Dense(2, dtype="mixed_bfloat16")])
    line = spec.write(model)
    elman.set_dtype_policy(policy)
    try:
        again = spec.write(elman.parse(spec.write(model)))
        assert config(elman.parse(again)) == config(model)
    finally:
        elman.set_dtype_policy("float32")
    assert line == "3x2 > gru(2) > dense(2,dtype=mixed_bfloat16)"


def test_what_a_line_has_no_words_for_is_refused():
    start = elman.initializers.RandomNormal(stddev=0.1)
    model = elman.Sequential([Input((3, 2)), GRU(2, kernel_initializer=start)])
    with pytest.raises(OptionError, match=r"kernel_initializer=.*GRU 'gru'"):
        spec.write(model)
    with pytest.raises(OptionError, match="name="):
        spec.write(elman.Sequential([Input((3, 2)), GRU(2, name='say "a"')]))
    with pytest.raises(NotReadyError, match="with layers"):
        spec.write(elman.Sequential())
