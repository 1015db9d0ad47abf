#!/usr/bin/env python3
"""Makes a random ReLU network 784-4096-4096-4096-4096-10 and a box around a random picture, to measure memory on.

Writes mlp.onnx (214 MB) and mlp.vnnlib into a folder, and mlp.data beside them where the weights take over 1 GiB. Weights are normal with variance 2 / fan-in, biases zero; the query
asks for another class within the radius, cut to [0, 1]. Needs NumPy.

    python3 bench/make_mlp.py [--out bench/out] [--sizes 784,4096,4096,4096,4096,10] [--radius 0.005] [--seed 1]
"""

import argparse
import os
import pathlib

import numpy as np

from rows.onnx import external, layers, model

# A protobuf message holds at most 2 GiB.
MOST_INSIDE = 1 << 30


def onnx(net, folder):
    """Gemm and Relu in turn, opset 13; large weights go to mlp.data in the folder."""
    store = None
    if sum(w.nbytes for w, _ in net) > MOST_INSIDE:
        data = open(folder / "mlp.data", "wb")

        def store(name, array):
            offset = data.tell()
            array.astype("<f4").tofile(data)
            data.flush()
            return external(name, array.shape, "mlp.data", offset, array.nbytes)
    nodes, tensors = layers(net, "x", "y", store=store)
    return model(nodes, tensors, inputs=[("x", [1, net[0][0].shape[1]])], outputs=[("y", [1, len(net[-1][1])])])


def vnnlib(centre, radius, label, outputs):
    lines = [f"(declare-const X_{i} Real)" for i in range(len(centre))]
    lines += [f"(declare-const Y_{j} Real)" for j in range(outputs)]
    for i, (lo, hi) in enumerate(zip(np.clip(centre - radius, 0, 1), np.clip(centre + radius, 0, 1))):
        lines += [f"(assert (>= X_{i} {lo:.6f}))", f"(assert (<= X_{i} {hi:.6f}))"]
    lines += ["(assert (or", *(f"  (and (>= Y_{j} Y_{label}))" for j in range(outputs) if j != label), "))", ""]
    return "\n".join(lines)


def write(path, data):
    """A file is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "out")
    parser.add_argument("--sizes", default="784,4096,4096,4096,4096,10")
    parser.add_argument("--radius", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    sizes = [int(n) for n in args.sizes.split(",")]
    rng = np.random.default_rng(args.seed)
    net = [(rng.standard_normal((n, m), dtype=np.float32) * np.float32(np.sqrt(2 / m)), np.zeros(n, np.float32))
           for m, n in zip(sizes[:-1], sizes[1:])]
    centre = np.round(rng.uniform(0, 1, sizes[0]), 4)
    y = centre.astype(np.float32)
    for k, (w, b) in enumerate(net, start=1):
        y = w @ y + b
        if k < len(net):
            y = np.maximum(y, 0)
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out / "mlp.onnx", onnx(net, args.out))
    write(args.out / "mlp.vnnlib", vnnlib(centre, args.radius, int(y.argmax()), sizes[-1]).encode())


if __name__ == "__main__":
    main()
