"""Which precision a layer computes in: Keras's dtype policies, as far as elman has them.

>>> import elman
>>> elman.set_dtype_policy("mixed_bfloat16")
>>> layer = elman.layers.LSTM(128)
>>> layer.dtype_policy.compute_dtype, layer.dtype_policy.variable_dtype
('bfloat16', 'float32')
>>> elman.set_dtype_policy("float32")
"""

from __future__ import annotations

from typing import Any

from elman.config import Configured
from elman.errors import OptionError, unknown_name

#: The policies, and the precision of what their products multiply.
POLICIES = {"float32": "float32", "mixed_bfloat16": "bfloat16"}
#: Keras's other policies, and what to use instead.
_INSTEAD = {
    "mixed_float16": "mixed_bfloat16",
    "float16": "mixed_bfloat16",
    "bfloat16": "mixed_bfloat16",
    "float64": "float32",
}


class DTypePolicy(Configured):
    """The precision of a layer, as `keras.DTypePolicy`.

    With "mixed_bfloat16" the large matrix products of a layer multiply bfloat16, numbers of 8
    instead of 24 bits of precision, which processors with AVX512-BF16 do twice as fast. Sums,
    activations, states, gradients and weights stay float32. `print(model.plan())` shows which
    products multiply bfloat16; small ones, which would gain nothing, stay float32.

    Args:
        name: "float32" or "mixed_bfloat16".

    Raises:
        OptionError: a policy of Keras's that elman does not have.
        UnknownNameError: no policy at all.
    """

    def __init__(self, name: str = "float32") -> None:
        if name in _INSTEAD:
            raise OptionError(
                f"DTypePolicy expected 'float32' or 'mixed_bfloat16', got {name!r}, which elman "
                f"does not compute in. Use {_INSTEAD[name]!r}."
            )
        if name not in POLICIES:
            raise unknown_name("DTypePolicy", "dtype policy", name, POLICIES)
        self.name = name

    @property
    def compute_dtype(self) -> str:
        """What the products multiply: "float32" or "bfloat16"."""
        return POLICIES[self.name]

    @property
    def variable_dtype(self) -> str:
        """What weights are: always "float32"."""
        return "float32"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash((DTypePolicy, self.name))

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


def get(policy: Any) -> DTypePolicy:
    """A policy by its name, by Keras's config of one, or itself; None is the global one.

    Raises:
        OptionError: a policy of Keras's that elman does not have.
        UnknownNameError: no policy at all.
    """
    if policy is None:
        return _global
    if isinstance(policy, DTypePolicy):
        return policy
    if isinstance(policy, dict):  # as Keras writes it, or only its inner part
        inner = policy.get("config")
        policy = (inner if isinstance(inner, dict) else policy).get("name", policy)
    name = getattr(policy, "name", None) or getattr(policy, "__name__", None) or policy
    return DTypePolicy(name if isinstance(name, str) else repr(name))


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of layers made from now on, as `keras.config.set_dtype_policy`.

    Args:
        policy: "float32", where elman starts, "mixed_bfloat16", or a `DTypePolicy`.

    Raises:
        OptionError: a policy of Keras's that elman does not have.
        UnknownNameError: no policy at all.
    """
    global _global
    _global = get("float32" if policy is None else policy)


def dtype_policy() -> DTypePolicy:
    """The policy of layers made from now on, as `keras.config.dtype_policy`."""
    return _global


_global = DTypePolicy()

# Keras's older names.
Policy = DTypePolicy
set_global_policy = set_dtype_policy
global_policy = dtype_policy
