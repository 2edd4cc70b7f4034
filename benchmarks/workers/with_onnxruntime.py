"""ONNX Runtime: prediction and streaming, with its best settings.

All graph optimisations, denormals as zero, threads as asked; streams through IO binding with two
sets of state that take turns, inputs and outputs in memory that NumPy sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from protocol import Peer, serve

OPERATORS = {"SimpleRNN": "RNN", "LSTM": "LSTM", "GRU": "GRU"}
#: Where ONNX's gate i is found in Keras's order. LSTM: i o f c, in i f c o. GRU: z r h in both.
GATES = {"SimpleRNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [0, 1, 2]}


def ordered(array: Any, kind: str) -> Any:
    """Gates along the last axis, from Keras's order to ONNX's."""
    gates = np.split(array, len(GATES[kind]), axis=-1)
    return np.concatenate([gates[g] for g in GATES[kind]], axis=-1)


class Graph:
    """A graph that grows."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.values: dict[str, Any] = {"axis0": np.array([0]), "axis1": np.array([1])}

    def add(self, op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        """Append a node."""
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))

    def recurrent(
        self,
        i: int,
        kind: str,
        units: int,
        x: str,
        weights: list[Any],
        state: list[str],
        lengths: str = "",
    ) -> None:
        """Append a layer; it makes `y{i}`, `h{i}` and, for an LSTM, `c{i}`."""
        kernel, recurrent, bias = (weights.pop(0) for _ in range(3))
        both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
        self.values[f"W{i}"] = ordered(kernel, kind).T[None]
        self.values[f"R{i}"] = ordered(recurrent, kind).T[None]
        self.values[f"B{i}"] = ordered(both, kind).reshape(1, -1)
        more = {"linear_before_reset": 1} if kind == "GRU" else {}
        inputs = [x, f"W{i}", f"R{i}", f"B{i}", lengths, *state]
        outputs = [f"y{i}", f"h{i}", *([f"c{i}"] if kind == "LSTM" else [])]
        self.add(OPERATORS[kind], inputs, outputs, hidden_size=units, **more)

    def head(self, state: str, weights: list[Any]) -> None:
        """Append the output layer; it makes `out`."""
        self.values["head"], self.values["head_bias"] = weights
        self.add("Squeeze", [state, "axis0"], ["last"])
        self.add("Gemm", ["last", "head", "head_bias"], ["logit"])
        self.add("Sigmoid", ["logit"], ["out"])

    def model(self, inputs: list[Any], outputs: list[Any]) -> bytes:
        """Checked and serialised."""
        values = [
            numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in self.values.items()
        ]
        graph = helper.make_graph(self.nodes, "case", inputs, outputs, values)
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=9)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def floats(name: str, *shape: Any) -> Any:
    """The description of a float tensor."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


class OnnxRuntime(Peer):
    """Prediction and streaming; it does not train."""

    packages = ("onnxruntime", "onnx")

    def about(self) -> dict[str, Any]:
        return {
            "settings": "graph optimisation all, denormals as zero, IO binding for streams",
            "providers": ort.get_available_providers(),
        }

    def _session(self, model: bytes) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def infer(self, case: dict[str, Any], weights: list[Any], x: Any, batch: int) -> Any:
        graph, left, lengths = Graph(), list(weights), ""
        if case["vocabulary"]:
            kind = TensorProto.INT32
            entering = helper.make_tensor_value_info("x", kind, ["rows", case["steps"]])
            graph.values["table"] = left.pop(0)
            graph.add("Transpose", ["x"], ["tokens"], perm=[1, 0])
            graph.add("Gather", ["table", "tokens"], ["s"])
            if case["tweets"]:
                graph.values["zero"] = np.array(0, np.int32)
                graph.add("Equal", ["x", "zero"], ["padding"])
                graph.add("Not", ["padding"], ["words"])
                graph.add("Cast", ["words"], ["counts"], to=kind)
                graph.add("ReduceSum", ["counts", "axis1"], ["lengths"], keepdims=0)
                lengths = "lengths"
        else:
            entering = floats("x", "rows", case["steps"], case["features"])
            graph.add("Transpose", ["x"], ["s"], perm=[1, 0, 2])
        sequence = "s"
        for i, (kind, units) in enumerate(case["cells"]):
            graph.recurrent(i, kind, units, sequence, left, [], lengths)
            if i < len(case["cells"]) - 1:
                sequence = f"s{i}"
                graph.add("Squeeze", [f"y{i}", "axis1"], [sequence])
        graph.head(f"h{len(case['cells']) - 1}", left)
        session = self._session(graph.model([entering], [floats("out", "rows", 1)]))
        return {"run": lambda x: session.run(None, {"x": x})[0]}

    def stream(self, case: dict[str, Any], weights: list[Any], rows: int) -> Any:
        (kind, units), left = case["cells"][0], list(weights)
        names = ["h", "c"] if kind == "LSTM" else ["h"]
        graph = Graph()
        graph.recurrent(0, kind, units, "x", left, names)
        graph.head("h0", left)
        entering = [floats("x", 1, rows, case["features"])]
        leaving = [floats("out", rows, 1)]
        for name in names:
            entering.append(floats(name, 1, rows, units))
            leaving.append(floats(f"{name}0", 1, rows, units))
        session = self._session(graph.model(entering, leaving))
        # Tensors over NumPy's memory: writing x and reading out need no call of the runtime.
        x_t = np.zeros((1, rows, case["features"]), np.float32)
        out = np.zeros((rows, 1), np.float32)
        states = [{n: np.zeros((1, rows, units), np.float32) for n in names} for _ in range(2)]
        bindings = []
        for before, after in (states, states[::-1]):
            binding = session.io_binding()
            binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(x_t))
            binding.bind_ortvalue_output("out", ort.OrtValue.ortvalue_from_numpy(out))
            for name in names:
                tensor = ort.OrtValue.ortvalue_from_numpy
                binding.bind_ortvalue_input(name, tensor(before[name]))
                binding.bind_ortvalue_output(f"{name}0", tensor(after[name]))
            bindings.append(binding)
        turn = [0]

        def reset() -> None:
            turn[0] = 0
            for state in states:
                for array in state.values():
                    array[:] = 0

        run = session.run_with_iobinding

        def step(x: Any) -> Any:
            x_t[0] = x
            run(bindings[turn[0]])
            turn[0] ^= 1
            return out

        return {"IO binding": (reset, step)}


def load(variant: str, threads: int) -> Peer:
    """Set ONNX Runtime up."""
    ort.set_default_logger_severity(3)
    return OnnxRuntime(variant, threads)


if __name__ == "__main__":
    serve(load)
