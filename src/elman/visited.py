"""What a model hands over to visitors: files, and whoever looks inside.

Each function is a method of `Sequential`, and fetches its room upstairs when it is called.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from elman.explain.gradient_flow import GradientFlow
    from elman.explain.ledger import Ledger
    from elman.explain.meaning import Meaning
    from elman.explain.trace import Trace
    from elman.models import Model


def save(model: Model, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save everything: layers, weights, how it was compiled, the optimizer's state, history.

    `elman.load` and `keras.saving.load_model` open the file, and training goes on in either.

    Args:
        filepath: ends in ".keras"; an older file is replaced as a whole or, on any failure,
            not at all.
        overwrite: whether to replace a file that is there.

    Raises:
        FileError: another ending, no such folder, no permission, no room; or the model has
            something that no file could bring back.
    """
    from elman.saving import save_model as visit

    visit(model, filepath, overwrite)


def save_weights(model: Model, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save the weights, and the optimizer's state if the model was compiled.

    Args:
        filepath: ends in ".weights.h5".
        overwrite: whether to replace a file that is there.

    Raises:
        NotReadyError: the model has no weights yet.
        FileError: another ending, no such folder, no permission, no room.
    """
    from elman.saving import save_weights as visit

    visit(model, filepath, overwrite)


def load_weights(model: Model, filepath: str | os.PathLike[str]) -> None:
    """Take weights from a file, and the optimizer's state if both have one.

    Args:
        filepath: a .weights.h5 or .keras file, of elman's or Keras's.

    Raises:
        NotReadyError: the model has no weights yet.
        FileError: it is no such file, or its weights do not fit; the model is unchanged.
    """
    from elman.saving import load_weights as visit

    visit(model, filepath)


def summary(model: Model, line_length: int | None = None, print_fn: Any = None) -> None:
    """Print the table of layers, output shapes and parameters.

    Args:
        line_length: width in characters; 80 at most where None.
        print_fn: called with the text instead of printing it.
    """
    from elman.explain.summary import summary as visit

    visit(model, line_length, print_fn)


def trace(model: Model, x: Any) -> Trace:
    """Every gate, candidate and state of every recurrent layer, for each step and unit.

    Args:
        x: inputs, as in `fit`, `Sequences` too, at least one row. Dropout is off.

    Returns:
        a `Trace`: `trace["lstm/forget_gate"]` is [rows, steps, units], by the names of the
        layer's `step`; `trace.names` lists them, and `trace.plot()` draws them.

    Raises:
        ElmanError: the inputs do not fit the model, or there are none.
        DataError: the trace would take more than a GiB; the message says how many rows fit.

    Example:
        >>> from elman.layers import LSTM
        >>> model = Sequential([InputLayer((None, 3)), LSTM(16)])
        >>> model.trace(np.zeros((2, 50, 3)))["lstm/forget_gate"].shape
        (2, 50, 16)
    """
    from elman.explain.trace import trace as visit

    return visit(model, x)


def ledger(
    model: Model,
    x: Any = None,
    *,
    steps: int | None = None,
    batch_size: int = 32,
    sentences: int = 100,
) -> Ledger:
    """Account for every parameter: `print` the ledger, or ask it: `["lstm/forget_gate"]`.

    Args:
        x: data, as in `fit`, that say how long and how many the sequences are.
        steps: length of the sequences, for costs and comparisons; the Input's where None.
        batch_size: rows of a batch, for the memory of training.
        sentences: how many sequences a one-hot input is compared for.

    Raises:
        NotReadyError: the number of input features is not known.

    Example:
        >>> from elman.layers import LSTM
        >>> Sequential([InputLayer((100, 32)), LSTM(16)]).ledger()["lstm/forget_gate"]
        <lstm/forget_gate: (F + H) * H + H = (32 + 16) * 16 + 16 = 784>
    """
    from elman.explain.ledger import ledger as visit

    if x is not None:
        given = model.check_inputs(x)
        steps, sentences = steps or given.shape[1], len(given)
    return visit(model, steps=steps, batch_size=batch_size, sentences=sentences)


def gradient_flow(model: Model, x: Any, y: Any = None, sample_weight: Any = None) -> GradientFlow:
    """How far the gradient reaches: the norm of dLoss/dh_t at each step of each layer.

    Args:
        x, y, sample_weight: one batch, as in `fit`, `Sequences` too; some dozen rows say enough.
            Dropout is off, and no weight changes.

    Returns:
        a `GradientFlow`: `flow["lstm/state"]` has `norms` [steps], `reach` and `verdict`;
        `print(flow)` shows a table, and `flow.plot()` draws them.

    Raises:
        NotReadyError: the model has not been compiled with a loss.
        ElmanError: data, model and loss do not fit together.
        DataError: it would take more than a GiB; the message says how many rows fit.
    """
    from elman.explain.gradient_flow import gradient_flow as visit

    return visit(model, x, y, sample_weight)


def embedding(model: Model, words: Any, counts: Any = None) -> Meaning:
    """What the first Embedding has learned of words: neighbours, analogies, a map.

    Args:
        words: the word of each token, as `data.vocabulary` has them, or a dict from word to
            token.
        counts: how often each word was seen in training, one number per token or a dict by
            word; it is shown beside what is found.

    Returns:
        a `Meaning` of the vectors as they are now: `.neighbours("good", k=5)`,
        `.analogy("king", "man", "woman")`, `.similarity("good", "bad")`, `.map()`.

    Raises:
        OptionError: there is no Embedding, or the words do not fit it.

    Example:
        >>> import elman
        >>> model = elman.parse("? > embedding(4,8) > lstm(4) > dense(1)")
        >>> model.embedding(["", "[UNK]", "good", "bad"]).words
        ['good', 'bad']
    """
    from elman.explain.meaning import meaning as visit

    return visit(model, words, counts)


def report(
    model: Model,
    x: Any,
    y: Any = None,
    path: str | os.PathLike[str] = "report.html",
    *,
    names: Iterable[str] | None = None,
    words: Any = None,
    feature_names: Iterable[str] | None = None,
    units: Iterable[str] | None = None,
    step: str | float | None = None,
    title: str = "data",
) -> Path:
    """Write one HTML page of what there is to see; it needs a browser, and no network.

    How well the model does, how it learned, what it confuses, the most wrong rows, gates and
    states step by step, how far the gradient reaches, and every parameter.

    Args:
        x, y: data to show it, as in `evaluate`; better not those it was trained on. `Sequences`
            bring their targets, and know all that is asked for below but the title.
        path: the page, ends in ".html"; an older one is replaced as a whole.
        names: of the classes, or of the numbers of an output.
        words: the word of each token: a list, or a dict either way round.
        feature_names, units: of each feature of a step.
        step: seconds from one step to the next, or words for what one is ("25 ms of sound").
        title: what the data are called.

    Returns:
        the path.

    Raises:
        NotReadyError: the model has not been compiled with a loss.
        ElmanError: data, names and model do not fit together.
        FileError: the page cannot be written there.
    """
    from elman.explain.report import report as visit

    return visit(
        model, x, y, path, names=names, words=words, feature_names=feature_names, units=units,
        step=step, title=title,
    )  # fmt: skip
