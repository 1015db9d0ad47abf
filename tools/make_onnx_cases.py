#!/usr/bin/env python3
"""Writes test/data/onnx: small models, and what ONNX's own reference evaluator computes for them.

Needs `pip install onnx numpy`. The result is kept in the repository, so that tests need neither. The models are float64, so that
the reference evaluator's rounding does not hide a wrong operator. Each case of expected.txt is three lines:

    NAME
    the input, row-major
    the output, row-major
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "data" / "onnx"
rng = np.random.default_rng(7)


def weight(*shape):
    return np.round(rng.uniform(-1, 1, shape), 3)


def ints(*values):
    return np.array(values, dtype=np.int64)


def case(op, shape, *constants, opset=13, x_at=0, outputs=1, output=0, **attributes):
    """One node; `constants` are its other inputs (None: omitted), the variable is input number `x_at`."""
    names, initializers = [], []
    for k, value in enumerate(constants):
        if value is None:
            names.append("")
            continue
        names.append(f"c{k}")
        initializers.append(numpy_helper.from_array(np.asarray(value), f"c{k}"))
    names.insert(x_at, "x")
    node = helper.make_node(op, names, [f"y{k}" for k in range(outputs)], **attributes)
    return shape, [node], initializers, opset, f"y{output}"


def graph(shape, nodes, initializers, opset=13, output="y"):
    nodes = [helper.make_node(op, i, o, **a) for op, i, o, a in nodes]
    initializers = [numpy_helper.from_array(np.asarray(v), k) for k, v in initializers.items()]
    return shape, nodes, initializers, opset, output


IMAGE = [1, 3, 5, 6]
CASES = {
    "add": case("Add", [2, 3], weight(3)),
    "add_from_left": case("Add", [3], weight(2, 3), x_at=1),
    "sub": case("Sub", [2, 3], weight(2, 1)),
    "sub_from": case("Sub", [2, 3], weight(3), x_at=1),
    "mul": case("Mul", [1, 3, 2, 2], weight(3, 1, 1)),
    "div": case("Div", [4], weight(4) + 2),
    "neg": case("Neg", [4]),
    "matmul": case("MatMul", [1, 4], weight(4, 3)),
    "matmul_rows": case("MatMul", [1, 3, 4], weight(4, 2)),
    "matmul_left": case("MatMul", [4, 3], weight(2, 4), x_at=1),
    "matmul_vector": case("MatMul", [4], weight(4, 3)),
    "matmul_batched": case("MatMul", [2, 3, 4], weight(2, 4, 2)),
    "matmul_broadcast": case("MatMul", [3, 4], weight(2, 4, 2)),
    "gemm": case("Gemm", [1, 4], weight(3, 4), weight(3), transB=1, alpha=0.5, beta=2.0),
    "gemm_trans_a": case("Gemm", [4, 2], weight(4, 3), weight(2, 1), transA=1),
    "gemm_left": case("Gemm", [4, 3], weight(2, 4), x_at=1),
    "conv": case("Conv", IMAGE, weight(4, 3, 3, 3), weight(4), pads=[1, 0, 1, 2], strides=[2, 1]),
    "conv_groups": case("Conv", [1, 4, 5, 6], weight(6, 2, 2, 3), group=2, dilations=[2, 1]),
    "conv_same_upper": case("Conv", IMAGE, weight(2, 3, 2, 2), auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv_same_lower": case("Conv", IMAGE, weight(2, 3, 2, 2), auto_pad="SAME_LOWER", strides=[2, 2]),
    "conv_valid": case("Conv", IMAGE, weight(2, 3, 2, 2), auto_pad="VALID"),
    "conv_1d": case("Conv", [1, 2, 7], weight(3, 2, 3), weight(3), pads=[1, 1], strides=[2]),
    "batch_normalization": case("BatchNormalization", [1, 3, 2, 2], weight(3), weight(3), weight(3),
                                weight(3) + 2, epsilon=0.01, opset=15),
    "average_pool": case("AveragePool", IMAGE, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
    "average_pool_include": case("AveragePool", IMAGE, kernel_shape=[3, 2], strides=[2, 2],
                                 pads=[1, 0, 1, 0], count_include_pad=1),
    "average_pool_ceil": case("AveragePool", IMAGE, kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
    "global_average_pool": case("GlobalAveragePool", IMAGE),
    "max_pool": case("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2]),
    "max_pool_padded": case("MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max_pool_ceil": case("MaxPool", IMAGE, kernel_shape=[2, 4], strides=[2, 3], ceil_mode=1),
    "pad_attribute": case("Pad", [1, 2, 2, 2], opset=9, pads=[0, 0, 1, 0, 0, 1, 0, 2], value=0.5),
    "pad_input": case("Pad", [2, 3], ints(1, 0, 0, 2), np.array(0.25)),
    "pad_axes": case("Pad", [2, 3], ints(1, 2), None, ints(-1), opset=18),
    "flatten": case("Flatten", [1, 2, 3], axis=2),
    "reshape": case("Reshape", [1, 2, 6], ints(0, 4, -1)),
    "transpose": case("Transpose", [2, 3, 4], perm=[2, 0, 1]),
    "transpose_default": case("Transpose", [2, 3, 4]),
    "squeeze_attribute": case("Squeeze", [1, 2, 1], opset=11, axes=[0]),
    "squeeze_input": case("Squeeze", [1, 2, 1], ints(-1)),
    "unsqueeze_attribute": case("Unsqueeze", [2, 3], opset=11, axes=[0, 3]),
    "unsqueeze_input": case("Unsqueeze", [2, 3], ints(1, -1)),
    "concat": case("Concat", [2, 2], weight(2, 3), axis=-1),
    "slice_attribute": case("Slice", [4, 5], opset=9, starts=[1, 0], ends=[9, -1], axes=[1, 0]),
    "slice_input": case("Slice", [4, 5], ints(3, 1), ints(-9, 5), ints(0, 1), ints(-2, 3)),
    "gather": case("Gather", [4, 3], ints(2, -1, 0, 2).reshape(2, 2), axis=1),
    "split_equal": case("Split", [2, 6], opset=11, axis=1, outputs=3, output=1),
    "split_attribute": case("Split", [2, 6], opset=11, axis=1, split=[1, 2, 3], outputs=3, output=2),
    "split_input": case("Split", [5, 2], ints(2, 3), outputs=2, output=1),
    "split_num_outputs": case("Split", [7], opset=18, num_outputs=3, outputs=3, output=2),
    "reduce_sum_input": case("ReduceSum", [2, 3, 4], ints(-2), keepdims=0),
    "reduce_sum_all": case("ReduceSum", [2, 3]),
    "reduce_mean_attribute": case("ReduceMean", [2, 3, 4], axes=[0, 2]),
    "reduce_mean_input": case("ReduceMean", [2, 3, 4], ints(1, 2), opset=18, keepdims=0),
    "identity": case("Identity", [3]),
    "dropout": case("Dropout", [3], opset=11, ratio=0.4),
    "expand": case("Expand", [3, 1], ints(2, 1, 4)),
    "relu": case("Relu", [6]),
    "leaky_relu": case("LeakyRelu", [6], alpha=0.25),
    "leaky_relu_steep": case("LeakyRelu", [6], alpha=1.5),
    "sigmoid": case("Sigmoid", [6]),
    "tanh": case("Tanh", [6]),
    "clip_attribute": case("Clip", [8], opset=9, min=-0.25, max=0.5),
    "clip_input": case("Clip", [8], np.array(-0.25), np.array(0.5)),
    "clip_low": case("Clip", [8], np.array(0.125)),
    "clip_high": case("Clip", [8], None, np.array(0.125)),
    "max": case("Max", [2, 3], weight(3)),
    "min": case("Min", [2, 3], weight(2, 1)),
    "cast": case("Cast", [3], to=TensorProto.DOUBLE),
    "shape_arithmetic": graph([1, 4, 3], [
        ("Shape", ["x"], ["shape"], {}), ("Gather", ["shape", "two"], ["last"], {"axis": 0}),
        ("Mul", ["last", "two"], ["twice"], {}), ("Unsqueeze", ["twice", "zero"], ["column"], {}),
        ("Concat", ["minus", "column"], ["target"], {"axis": 0}), ("Reshape", ["x", "target"], ["r"], {}),
        ("ConstantOfShape", ["target2"], ["ones"], {"value": numpy_helper.from_array(np.array([2.0]))}),
        ("Add", ["r", "ones"], ["y"], {})],
        {"two": np.int64(2), "zero": ints(0), "minus": ints(-1), "target2": ints(2, 6)}),
    "network": graph([1, 2, 6, 6], [
        ("Conv", ["x", "w1", "b1"], ["a"], {"pads": [1, 1, 1, 1]}), ("Relu", ["a"], ["b"], {}),
        ("Conv", ["b", "w2"], ["c"], {"pads": [1, 1, 1, 1]}), ("Add", ["c", "a"], ["d"], {}),
        ("MaxPool", ["d"], ["e"], {"kernel_shape": [2, 2], "strides": [2, 2]}), ("Flatten", ["e"], ["f"], {}),
        ("Gemm", ["f", "w3", "b3"], ["y"], {"transB": 1})],
        {"w1": weight(3, 2, 3, 3), "b1": weight(3), "w2": weight(3, 3, 3, 3), "w3": weight(4, 27), "b3": weight(4)}),
}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, (shape, nodes, initializers, opset, output) in CASES.items():
        x = np.round(rng.uniform(-1, 1, shape), 4)
        made = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("x", TensorProto.DOUBLE, shape)],
            [helper.make_tensor_value_info(output, TensorProto.DOUBLE, None)], initializers)
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], producer_name="")
        model.ir_version = 8
        y = ReferenceEvaluator(model).run([output], {"x": x})[0]
        (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())
        lines += [name, " ".join(repr(float(v)) for v in x.ravel()), " ".join(repr(float(v)) for v in y.ravel())]
    (OUT / "expected.txt").write_text("\n".join(lines) + "\n")
    print(f"{len(CASES)} cases, onnx {onnx.__version__}", file=sys.stderr)


if __name__ == "__main__":
    main()
