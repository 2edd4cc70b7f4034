"""What comes from outside is checked here, before any work starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from elman import _core
from elman.errors import DataError, OptionError, ShapeError
from elman.mapped import Mapped, is_mapped, parts
from elman.ragged import Ragged, is_ragged
from elman.ragged_file import Padded, RaggedFile

if TYPE_CHECKING:
    from elman.layers.layer import Shape
    from elman.losses import Loss

Array = np.ndarray[Any, np.dtype[Any]]


class Taker(Protocol):
    """Who takes an array: a layer, or an input of a graph."""

    @property
    def label(self) -> str: ...
    @property
    def takes_tokens(self) -> bool: ...
    @property
    def built_for(self) -> Shape | None: ...
    def check_rank(self, shape: Shape) -> None: ...
    def check_shape(self, shape: Shape) -> None: ...


def inputs(x: Any, layer: Taker, who: str) -> Array | Mapped | Ragged:
    """Inputs as the engine takes them. What lies in a memory-mapped file is read once, but stays.

    Args:
        x: an array, or what NumPy can make one of; or a list of arrays of unequal length; or what
            has such as `model_inputs`.
        layer: the model's first layer or its input, which says what it takes.
        who: how errors name the model.

    Returns:
        int32 tokens [n, T] for an Embedding, else float32 [n, T, F] or [n, F], contiguous; or a
        `Mapped` that becomes such an array part by part; or a `Ragged` of them.

    Raises:
        ShapeError: the wrong number of axes or features.
        DataError: not numbers, not finite, tokens outside the vocabulary.
    """
    x = held(x)
    if isinstance(x, Ragged) or is_ragged(x):
        return _unequal(x, layer, who)
    array = numbers(x, who, "inputs")
    layer.check_rank(array.shape)
    if 0 in array.shape[1:]:
        raise ShapeError(
            f"{who} expected at least one step and one feature, got shape {array.shape}. Check how "
            "the array was made."
        )
    if layer.takes_tokens:
        return _tokens(array, layer, who)
    if layer.built_for is not None and layer.built_for[-1] != array.shape[-1]:
        raise ShapeError(
            f"{layer.label} expected {layer.built_for[-1]} features per step, got "
            f"{array.shape[-1]} (input shape {array.shape}). Check the last axis, or rebuild the "
            f"model for {array.shape[-1]}."
        )
    values = _float32(array)
    _finite(values, who, "inputs")
    return values


def held(x: Any) -> Any:
    """The arrays in `elman.data.Sequences` (a room that knows this one); all else as it is."""
    return getattr(x, "model_inputs", x)


def prepared_alike(wanted: Any, x: Any, who: str) -> None:
    """Raise where `elman.data.Sequences` have other tokens, or another scale, than those before.

    Args:
        wanted: the `Preparation` of those before; None where there is none.
        x: inputs; arrays do not say how they were prepared.
        who: how errors name the model.

    Raises:
        DataError: the numbers in x mean something else.
    """
    given = getattr(x, "model_prepared", None)
    if wanted is not None and given is not None and given.steps != wanted.steps:
        raise DataError(
            f"{who} expected sequences prepared as those it was trained on, got some with another "
            "vocabulary or scale. Load them with prepared=model.prepared, or split them off before "
            "the training."
        )


def _unequal(x: Any, layer: Taker, who: str) -> Ragged:
    """Sequences of unequal length, each checked as `inputs` checks those of one length."""
    found = x if isinstance(x, Ragged) else sequences(x, who, "inputs")
    layer.check_rank(found.shape)
    layer.check_shape((None, *found.shape[1:]))
    if not layer.takes_tokens:
        found = found.astype(np.float32)

    def check(part: Array, start: tuple[int, ...]) -> None:
        if layer.takes_tokens:
            _check_tokens(part, start, layer, who)
        else:
            _finite(part, who, "inputs", start)

    for (begin, _), part in found.parts():
        try:
            check(part, ())
        except DataError:  # in which sequence?
            for row in range(begin, len(found)):
                check(found[row][None], (row,))
            raise
    return found.astype(np.int32) if layer.takes_tokens else found


def sequences(x: Any, who: str, what: str) -> Ragged:
    """Arrays of unequal length one after the other.

    Args:
        x: a list of arrays [steps, ...], or of lists.
        who: how errors name who wants them.
        what: how they name them.

    Raises:
        ShapeError: they differ in more than their length.
        DataError: no numbers.
    """
    first = x[0]
    if all(type(one) is np.ndarray and one.dtype == first.dtype for one in x):
        arrays = list(x)  # there may be many, and a look at each takes its time
        if first.dtype.kind not in "iuf":
            numbers(first, who, f"{what} of row 0")
    else:
        arrays = [numbers(one, who, f"{what} of row {row}") for row, one in enumerate(x)]
    shape = next((a.shape[1:] for a in arrays if len(a)), ())
    for row, array in enumerate(arrays):
        if len(array) == 0:  # of nothing NumPy cannot know how many features it has
            arrays[row] = np.empty((0, *shape), np.float32 if shape else np.int32)
        elif array.shape[1:] != shape:
            raise ShapeError(
                f"{who} expected {what} that differ in length only, got {array.shape} in row {row} "
                f"and (steps, {', '.join(map(str, shape)) or 'no features'}) before it. Give every "
                "step the same features."
            )
    return Ragged.of(arrays)


def _float32(array: Array | Mapped) -> Array | Mapped:
    if isinstance(array, Mapped):
        return array.astype(np.float32)
    if is_mapped(array):
        return Mapped(array)
    with np.errstate(over="ignore"):  # too large for float32 is found later
        return np.ascontiguousarray(array, np.float32)


def numbers(x: Any, who: str, what: str, *, scalar: bool = False) -> Any:
    """An array of numbers, as they are.

    Args:
        x: an array, or what NumPy can make one of; or a `Mapped`.
        who: how errors name who wants it.
        what: how they name it.
        scalar: whether a single number will do.

    Raises:
        ShapeError: rows of unequal length, or a single number.
        DataError: no numbers.
    """
    if x is None:
        raise DataError(f"{who} expected {what}, got None. Pass them as an array.")
    if isinstance(x, Mapped):
        return x
    try:
        array = np.asarray(x)
    except ValueError as error:  # NumPy's word for rows of unequal length
        raise ShapeError(
            f"{who} expected {what} of one length, got rows of unequal length. Pad them to one "
            "length and mask what is added: Masking, or Embedding(mask_zero=True)."
        ) from error
    if array.dtype == object and array.ndim == 0:  # a generator, a data set of another library
        raise DataError(
            f"{who} expected {what} as an array, got {type(x).__name__}. Put its batches into one "
            "array, or into a file that is read in parts: np.load(file, mmap_mode='r')."
        )
    if array.dtype == bool and not is_mapped(array):
        array = array.astype(np.float32)
    if array.dtype.kind not in "iufb":
        raise DataError(
            f"{who} expected {what} that are numbers, got dtype {array.dtype}. Turn text into "
            "tokens and missing values into numbers first."
        )
    if array.ndim == 0 and not scalar:
        raise ShapeError(
            f"{who} expected {what} with a batch axis, got a single number. Pass an array."
        )
    return array


def _finite(
    values: Array | Mapped, who: str, what: str, within: tuple[int, ...] | None = None
) -> None:
    if isinstance(values, Mapped) and values.whole:
        return
    for start, part in parts(values):
        if _all_finite(part):
            continue
        start = start if within is None else within
        place = np.argwhere(~np.isfinite(part))[0]
        got = part[tuple(place)]
        raise DataError(
            f"{who} expected finite {what}, got {got} at {_place(place, start)}. Fill or remove "
            "missing values first (or set them to a value that Masking skips)."
        )


def _all_finite(values: Array) -> bool:
    if values.dtype == np.float32 and values.flags.c_contiguous:
        return _core.finite(values)
    # One pass and no copy; a sum in float64 is finite if and only if all float32 are.
    return bool(np.isfinite(np.sum(values, dtype=np.float64)))


def _place(index: Array, start: tuple[int, ...] = ()) -> str:
    index = index.copy()
    index[: len(start)] += np.array(start[: len(index)], index.dtype)
    names = ("row", "step", "feature")
    return ", ".join(f"{n} {i}" for n, i in zip(names, index, strict=False))


def _tokens(array: Array | Mapped, layer: Taker, who: str) -> Array | Mapped:
    if isinstance(array, np.ndarray) and not is_mapped(array):
        _check_tokens(array, (), layer, who)
        return np.ascontiguousarray(array, np.int32)
    found = array if isinstance(array, Mapped) else Mapped(array, np.int32)
    for start, part in found.parts(raw=True):
        _check_tokens(part, start, layer, who)
    return found


def _check_tokens(array: Array, start: tuple[int, ...], layer: Taker, who: str) -> None:
    if array.dtype.kind == "f":
        _finite(array, who, "tokens")
        if array.size and not np.array_equal(array, np.floor(array)):
            raise DataError(
                f"{layer.label} expected whole numbers as tokens, got "
                f"{array[array != np.floor(array)][0]}. Use an integer array."
            )
    size: int = layer.input_dim  # type: ignore[attr-defined]
    if array.size and (array.min() < 0 or array.max() >= size):
        place = np.argwhere((array < 0) | (array >= size))[0]
        raise DataError(
            f"{layer.label} expected tokens from 0 to {size - 1}, got {array[tuple(place)]} at "
            f"{_place(place, start)}. Raise input_dim, or map unknown tokens to one that exists."
        )


def targets(y: Any, rows: int, output: tuple[int, ...], loss: Loss, who: str) -> Array | Mapped:
    """Targets in the shape of the output (without its last axis for class numbers), float32.

    Args:
        y: targets.
        rows: how many inputs there are.
        output: shape of one sample's output.
        loss: what compares the two.
        who: how errors name the model.

    Raises:
        ShapeError: lengths or shapes that do not match.
        DataError: not finite, or class numbers that do not exist.
    """
    array = numbers(y, who, "targets")
    if len(array) != rows:
        raise ShapeError(
            f"{who} expected as many targets as inputs, got {len(array)} targets and {rows} "
            "inputs. Give each input its target."
        )
    loss.check_shapes((None, *array.shape[1:]), (None, *output))
    values = _float32(array)
    _finite(values, who, "targets")
    word, _ = loss.native()
    sparse = word.startswith("sparse")
    if word.endswith("crossentropy"):
        for start, part in parts(values):
            _check_range(part, start, output[-1] if sparse else 0, loss, who)
    return values.reshape(rows, *(output[:-1] if sparse else output))


def _check_range(values: Array, start: tuple[int, ...], classes: int, loss: Loss, who: str) -> None:
    """Targets of a crossentropy: numbers of so many classes, or of 0 classes probabilities."""
    if classes:
        ignore = getattr(loss, "ignore_class", None)
        bad = (values < 0) | (values >= classes) | (values != np.floor(values))
        if ignore is not None:
            bad &= values != ignore
        if bad.any():
            place = np.argwhere(bad)[0]
            raise DataError(
                f"{who} expected classes from 0 to {classes - 1}, got {values[tuple(place)]:g} at "
                f"{_place(place, start)}. Give the last layer more units, or number the classes "
                "from 0."
            )
    elif values.size and (values.min() < 0 or values.max() > 1):
        place = np.argwhere((values < 0) | (values > 1))[0]
        raise DataError(
            f"{who} expected targets from 0 to 1 for {type(loss).__name__}, got "
            f"{values[tuple(place)]} at {_place(place, start)}. For class numbers use "
            "sparse_categorical_crossentropy."
        )


def padded(values: Any, x: Ragged, what: str, who: str) -> Any:
    """Targets or weights of every step of sequences of unequal length, padded as these would be.

    Raises:
        ShapeError: they are of other lengths.
    """
    if not is_ragged(values) and not isinstance(values, Ragged):
        return np.asarray(values) if is_mapped(values) else values
    found = values if isinstance(values, Ragged) else sequences(values, who, what)
    if len(found) == len(x) and (found.lengths != x.lengths).any():
        row = int(np.argmax(found.lengths != x.lengths))
        raise ShapeError(
            f"{who} expected {what} for every step, got {found.lengths[row]} for the "
            f"{x.lengths[row]} steps of row {row}. Give each step its own."
        )
    if isinstance(found, RaggedFile):
        return Padded(found, x.steps)
    return Ragged(found.values, found.offsets, x.steps).padded()


def weights(
    sample_weight: Any,
    class_weight: dict[int, float] | None,
    y: Array,
    output: tuple[int, ...],
    who: str,
) -> Array | None:
    """One weight per sample, or per sample and step, float32; None where all weigh the same.

    Raises:
        ShapeError: another length than the targets.
        DataError: a sample's weight is negative or not finite.
        OptionError: class_weight is no dict of class numbers and weights.
    """
    if sample_weight is None and class_weight is None:
        return None
    steps = output[:-1]
    found = np.ones((len(y), *([1] * len(steps))), np.float32)
    if sample_weight is not None:
        given = np.ascontiguousarray(numbers(sample_weight, who, "sample weights"), np.float32)
        if given.ndim > 1 and given.shape[-1] == 1 and given.ndim > 1 + len(steps):
            given = given[..., 0]
        weights_shape(given.shape, len(y), steps, who)
        _finite(given, who, "sample weights")
        if given.size and given.min() < 0:
            raise DataError(
                f"{who} expected sample weights >= 0, got {given.min()}. Use 0 to leave a sample "
                "out."
            )
        found = found * given.reshape(len(y), *(given.shape[1:] or [1] * len(steps)))
    if class_weight is not None:
        classes = y
        if y.shape[1:] == output and output[-1] > 1:
            classes = y.argmax(axis=-1)
        elif y.shape[1:] == output:
            classes = y[..., 0]
        found = found * _by_class(class_weight, classes, output[-1], who)
    return np.ascontiguousarray(found.reshape(len(y), -1), np.float32)


def weights_shape(shape: tuple[int, ...], rows: int, steps: tuple[int, ...], who: str) -> None:
    """Raise unless there is a weight for each of so many samples, or for each of their steps."""
    if shape not in {(rows,), (rows, 1), (rows, *steps), (rows, *steps, 1)}:
        raise ShapeError(
            f"{who} expected sample_weight of shape ({rows},)"
            f"{f' or {(rows, *steps)}' if steps else ''}, got {shape}. Give each "
            f"sample{' or step' if steps else ''} its weight."
        )


def _by_class(given: Any, classes: Array, width: int, who: str) -> Array:
    """The weight of each class number; as in Keras, 1 for a class that has none."""
    if not isinstance(given, Mapping):
        raise OptionError(
            f"{who} expected class_weight to be a dict, got {type(given).__name__}. Give each "
            "class number its weight: {0: 1.0, 1: 5.0}."
        )
    highest = max(width - 1, 1, int(classes.max(initial=0)))
    for label, weight in given.items():
        whole = isinstance(label, int | float | np.number) and float(label).is_integer()
        if not whole or not 0 <= label <= highest:
            raise OptionError(
                f"{who} expected the keys of class_weight to be class numbers from 0 to {highest}, "
                f"got {label!r}. Check the keys."
            )
        if not isinstance(weight, int | float | np.number) or not 0 <= weight < np.inf:
            raise OptionError(
                f"{who} expected class_weight to hold finite numbers >= 0, got {weight!r} for "
                f"class {label}. Check it."
            )
    labels, places = np.unique(np.rint(classes), return_inverse=True)
    values = np.array([given.get(int(label), 1.0) for label in labels], np.float32)
    return values[places].reshape(classes.shape)
