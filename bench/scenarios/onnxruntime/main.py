"""Inference of a model made on the spot: two dense layers with weights from a seed, run by ONNX Runtime."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WIDTH, CLASSES = 256, 10


def weights() -> dict[str, np.ndarray]:
    """The same numbers every time."""
    random = np.random.default_rng(0)
    shapes = {"first": (WIDTH, WIDTH), "second": (WIDTH, CLASSES)}
    return {name: random.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def model() -> bytes:
    """softmax(relu(x @ first) @ second)."""
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "second"], ["c"]),
        helper.make_node("Softmax", ["c"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in weights().items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


def infer(batch: np.ndarray) -> np.ndarray:
    """Class probabilities of each row."""
    session = onnxruntime.InferenceSession(model(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": batch})[0]


if __name__ == "__main__":
    print(infer(np.ones((1, WIDTH), np.float32)).round(3).tolist(), flush=True)
