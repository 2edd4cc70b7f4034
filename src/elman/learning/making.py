"""From a path to a saved model: the steps in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from elman import seeds
from elman.callbacks import Callback
from elman.errors import FileError, OptionError
from elman.layers.layer import whole
from elman.learning import forecasting
from elman.learning.choosing import Settings, choose
from elman.learning.fitting import Fitted, Parts, fit, split
from elman.learning.judging import Judgement, judge
from elman.learning.looking import TASKS, Look, look
from elman.learning.network import build
from elman.models import Sequential
from elman.saving.replacing import require_free
from elman.spec import parsing


@dataclass
class Made:
    """All there is to tell of a model that was made.

    Attributes:
        source, path: where the data are, and where the model is; None where nothing was written.
        judgement: None where Ctrl-C came first.
    """

    source: str
    found: Look
    parts: Parts
    settings: Settings
    seed: int
    fitted: Fitted
    path: Path | None
    judgement: Judgement | forecasting.Forecasts | None


class Listener(Protocol):
    """Who is told of each step when it is done."""

    def busy(self, what: str) -> AbstractContextManager[Any]:
        """While something takes its time."""

    def looked(self, source: str, found: Look) -> None:
        """What the data are."""

    def chose(self, parts: Parts, settings: Settings, model: Sequential, seed: int) -> None:
        """How they were split, and what will be trained."""

    def watchers(self) -> Sequence[Callback]:
        """Callbacks that show the training."""

    def made(self, made: Made) -> None:
        """What came of it."""


def make(
    source: str,
    listener: Listener,
    *,
    kind: str | None = None,
    task: str = "auto",
    options: Mapping[str, Any] | None = None,
    arch: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    valid: float = 0.15,
    test: float | str = 0.2,
    by: str = "auto",
    balanced: bool = False,
    seed: int = 0,
    out: str | None = None,
    overwrite: bool = False,
) -> Made:
    """Look at data, train a network on them, judge it and save it.

    Args:
        source: a file, a folder, or the name of a bundled dataset.
        listener: who is told of each step.
        kind, task, options: as `look` takes them.
        arch, epochs, batch_size, lr: as `choose` takes them.
        valid, test, by: as `split` takes them.
        balanced: whether each class counts as much as any other.
        seed: of the split, the weights, the order and dropout.
        out: the file; NAME.keras, by the data's name, where None.
        overwrite: whether it may replace a file that is there.

    Raises:
        ElmanError: before any training, where data, options or the file cannot be.
    """
    if task not in ("auto", *TASKS):
        raise OptionError(
            f"train expected task to be one of auto, {', '.join(TASKS)}, got {task!r}."
        )
    for name, given, least in (
        ("epochs", epochs, 1), ("batch_size", batch_size, 1), ("seed", seed, 0),
    ):  # fmt: skip
        if given is not None:
            whole("train", name, given, least)
    if lr is not None and not 0 < lr < float("inf"):
        raise OptionError(f"train expected lr above 0, got {lr}. Use e.g. 0.003.")
    if arch is not None:
        parsing.layers(arch, unknown=3)  # says what is wrong with the line before data are read
    path = target(source, out, overwrite)
    found = look(source, kind=kind, task=task, options=options)
    listener.looked(source, found)
    parts = split(found, valid, test, by, seed)
    settings = choose(parts.train, arch, epochs, batch_size, lr)
    seeds.set_random_seed(seed)
    model = build(parts.train, settings.arch, settings.lr)
    listener.chose(parts, settings, model, seed)
    fitted = fit(model, parts, settings, balanced, listener.watchers())
    if fitted.best:
        fitted.model.save(path, overwrite=overwrite)
    judgement = None
    if not fitted.stopped:
        try:
            judged_by = forecasting.judge if found.task == "forecast" else judge
            with listener.busy("Comparing with what is simpler"):
                judgement = judged_by(fitted.model, parts.train, parts.test)
        except KeyboardInterrupt:
            fitted.stopped = True
    made = Made(
        source, found, parts, settings, seed, fitted, path if fitted.best else None, judgement
    )
    listener.made(made)
    return made


def target(source: str, out: str | None, overwrite: bool) -> Path:
    """The file to write, looked at before any work.

    Raises:
        FileError: another ending, no such folder, no permission, or a file that is there.
    """
    path = Path(out or f"{Path(source).resolve().stem}.keras")
    if path.suffix != ".keras":
        raise FileError(
            f"train expected a file name that ends in '.keras', got '{path}'. Write "
            f"--out {path}.keras"
        )
    require_free(path, "train", overwrite)
    return path
