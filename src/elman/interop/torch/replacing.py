"""`replace`: every recurrent layer of a model of torch, changed in place."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from elman.interop.torch.modules import TORCH_OWN, why_not

HERE = {own: ours for ours, own in TORCH_OWN.items()}


@dataclass
class Replaced:
    """What `replace` did.

    Args:
        swapped: names of the modules that now run on elman; "" is the model itself.
        kept: names of recurrent modules that stay torch's, with the reason.
    """

    swapped: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{name or 'the model'}: on elman" for name in self.swapped]
        lines += [f"{name or 'the model'}: stays torch's, {why}" for name, why in self.kept.items()]
        return "\n".join(lines) or "There are no recurrent layers of torch here."


def replace(module: nn.Module) -> Replaced:
    """Makes every torch.nn.RNN, LSTM and GRU of a model run on elman's kernels.

    The modules stay the same objects and only change their class: parameters, optimizers made
    before, hooks, `training` and `requires_grad` are untouched.

    Args:
        module: a model of any depth, or a recurrent layer itself.

    Returns:
        what was swapped, and what was not and why; `print` it.
    """
    report = Replaced()
    for name, part in module.named_modules():
        if not isinstance(part, nn.RNNBase | nn.RNNCellBase) or type(part) in TORCH_OWN:
            continue
        why = _why_kept(part)
        if why:
            report.kept[name] = why
        else:
            part.__class__ = HERE[type(part)]
            report.swapped.append(name)
    return report


def _why_kept(part: nn.Module) -> str | None:
    if type(part) in HERE:
        assert isinstance(part, nn.RNNBase)
        return why_not(part)
    if isinstance(part, nn.RNNCellBase):
        return "a cell is called step by step from Python. Use the layer over whole sequences."
    return f"{type(part).__name__} is a subclass with code of its own."
