"""PyTorch as its experts run it on a processor.

Time-major sequences, denormals flushed, the `foreach` RMSprop. Variants: none is eager (and a
frozen trace for prediction, whichever is faster); `compile` is `torch.compile`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from protocol import Peer, serve

KINDS = {"SimpleRNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
CELLS = {"SimpleRNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}
#: Where PyTorch's gate i is found in Keras's order. LSTM: i f c o in both. GRU: r z n, in z r h.
GATES = {"SimpleRNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]}


def ordered(array: Any, kind: str) -> Any:
    """Gates along the last axis, from Keras's order to PyTorch's; then [gates * units, ...]."""
    gates = np.split(array, len(GATES[kind]), axis=-1)
    return torch.from_numpy(
        np.ascontiguousarray(np.concatenate([gates[g] for g in GATES[kind]], -1).T)
    )


class Net(nn.Module):
    """Embedding, recurrent layers, one output as a logit."""

    def __init__(self, case: dict[str, Any], weights: list[Any]) -> None:
        super().__init__()
        left = list(weights)
        self.embedding = None
        self.masked = case["tweets"]
        if case["vocabulary"]:
            table = torch.from_numpy(left.pop(0).copy())
            self.embedding = nn.Embedding.from_pretrained(table, freeze=False)
        inputs, layers = case["features"], []
        for kind, units in case["cells"]:
            layers.append(fill(KINDS[kind](inputs, units), kind, left, "_l0"))
            inputs = units
        self.layers = nn.ModuleList(layers)
        self.head = head(left, inputs)

    def forward(self, x: Any) -> Any:
        """Logits [rows, 1] of [T, rows, F], or of tokens [T, rows]."""
        last = None
        if self.embedding is not None:
            if self.masked:  # what follows a row's last word changes nothing before it
                last = ((x != 0).sum(0) - 1).view(1, -1, 1)
            x = self.embedding(x)
        for layer in self.layers:
            x, _ = layer(x)
        x = x[-1] if last is None else x.gather(0, last.expand(-1, -1, x.shape[2]))[0]
        return self.head(x)


def fill(layer: Any, kind: str, weights: list[Any], end: str = "") -> Any:
    """Take a layer's weights off the front of the list. PyTorch has a second bias: zero."""
    kernel, recurrent, bias = (weights.pop(0) for _ in range(3))
    both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    with torch.no_grad():
        getattr(layer, f"weight_ih{end}").copy_(ordered(kernel, kind))
        getattr(layer, f"weight_hh{end}").copy_(ordered(recurrent, kind))
        getattr(layer, f"bias_ih{end}").copy_(ordered(both[0], kind))
        getattr(layer, f"bias_hh{end}").copy_(ordered(both[1], kind))
    return layer


def head(weights: list[Any], inputs: int) -> Any:
    """The output layer, from the two arrays that are left."""
    layer = nn.Linear(inputs, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights[0].T.copy()))
        layer.bias.copy_(torch.from_numpy(weights[1].copy()))
    return layer


class LstmStep(nn.Module):
    """One step of an LSTM and its output."""

    def __init__(self, cell: Any, head: Any) -> None:
        super().__init__()
        self.cell, self.head = cell, head

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        h, c = self.cell(x, (h, c))
        return torch.sigmoid(self.head(h)), h, c


class Step(nn.Module):
    """One step of another cell and its output."""

    def __init__(self, cell: Any, head: Any) -> None:
        super().__init__()
        self.cell, self.head = cell, head

    def forward(self, x: Any, h: Any) -> Any:
        h = self.cell(x, h)
        return torch.sigmoid(self.head(h)), h


class Torch(Peer):
    """Eager, or compiled."""

    packages = ("torch",)
    #: Its epsilon is outside the root, and its second bias takes steps of its own.
    same_optimizer = False

    def about(self) -> dict[str, Any]:
        return {
            "settings": "time-major, flush denormals, RMSprop(foreach)",
            "MKL": torch.backends.mkl.is_available(),
            "oneDNN": torch.backends.mkldnn.is_available(),
        }

    def train(self, case: dict[str, Any], weights: list[Any], x: Any, y: Any) -> Any:
        net = Net(case, weights)
        batch, rows = case["batch"], len(x)
        optimizer = torch.optim.RMSprop(
            net.parameters(), lr=1e-3, alpha=0.9, eps=1e-7, foreach=True
        )
        score = nn.BCEWithLogitsLoss()
        xs = torch.from_numpy(np.ascontiguousarray(np.swapaxes(x, 0, 1)))
        ys = torch.from_numpy(y)

        def forward(x: Any, y: Any) -> Any:
            return score(net(x), y)

        with torch.profiler.profile() as profile:
            loss = float(forward(xs[:, :batch], ys[:batch]).detach())
        used = any("mkldnn_rnn" in event.key for event in profile.key_averages())
        self.path = "oneDNN's recurrent layer" if used else "PyTorch's own loop over time"
        if self.variant == "compile":
            torch._dynamo.config.allow_rnn = True  # type: ignore[attr-defined]
            forward = torch.compile(forward)

        def epochs(count: int, shuffle: bool) -> float:
            total = torch.zeros(())
            for _ in range(count):
                order = torch.randperm(rows) if shuffle else torch.arange(rows)
                total = torch.zeros(())
                for i in range(0, rows, batch):
                    part = order[i : i + batch]
                    optimizer.zero_grad(set_to_none=True)
                    now = forward(xs.index_select(1, part), ys[part])
                    now.backward()
                    optimizer.step()
                    total += now.detach()
            return float(total) / case["batches"]

        return loss, {self.variant or "eager": epochs}

    def infer(self, case: dict[str, Any], weights: list[Any], x: Any, batch: int) -> Any:
        net = Net(case, weights).eval()

        def way(function: Any) -> Any:
            def predict(x: Any) -> Any:
                with torch.inference_mode():
                    return torch.sigmoid(function(torch.from_numpy(x).transpose(0, 1))).numpy()

            return predict

        if self.variant == "compile":
            torch._dynamo.config.allow_rnn = True  # type: ignore[attr-defined]
            return {"compile": way(torch.compile(net))}
        with torch.no_grad():
            example = torch.from_numpy(x).transpose(0, 1)
            traced = torch.jit.freeze(torch.jit.trace(net, example))
        ways = {"eager": way(net), "frozen trace": way(traced)}
        ways["frozen trace"](x)  # its profile is taken by the first calls
        return ways

    def stream(self, case: dict[str, Any], weights: list[Any], rows: int) -> Any:
        (kind, units), left = case["cells"][0], list(weights)
        cell = fill(CELLS[kind](case["features"], units), kind, left).eval()
        last = head(left, units).eval()
        zeros = [torch.zeros(rows, units) for _ in range(2 if kind == "LSTM" else 1)]
        module = (LstmStep if kind == "LSTM" else Step)(cell, last).eval()
        with torch.no_grad():
            example = torch.zeros(rows, case["features"])
            traced = torch.jit.freeze(torch.jit.trace(module, (example, *zeros)))
        ways = {}
        for name, function in (("cell", module), ("frozen trace of the cell", traced)):
            state = list(zeros)

            def reset(state: list[Any] = state) -> None:
                state[:] = zeros

            def step(x: Any, state: list[Any] = state, function: Any = function) -> Any:
                with torch.inference_mode():
                    out, *state[:] = function(torch.from_numpy(x), *state)
                    return out.numpy()

            ways[name] = (reset, step)
        return ways


def load(variant: str, threads: int) -> Peer:
    """Set PyTorch up."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    return Torch(variant, threads)


if __name__ == "__main__":
    serve(load)
