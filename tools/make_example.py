#!/usr/bin/env python3
"""Makes examples/: a small network and three properties of it, from data that this script draws itself.

The data are 10 x 10 grey pictures of five shapes, drawn with jitter and noise. A ReLU network 100-40-40-5 learns to
tell them apart. Then, for one fresh picture each, a radius eps is chosen so that the property "every picture that
differs by at most eps in each pixel keeps its class"

  holds.vnnlib      holds, and plain CROWN (computed here, in float64) proves it;
  branching.vnnlib  holds, but is out of reach of CROWN and close to what the attack reaches;
  violated.vnnlib   does not hold: the attack (projected gradient descent, here) finds a counterexample.

Needs Python 3 and NumPy, nothing else; the ONNX file is written by bench/rows/onnx.py. The same seed gives
the same pictures on every machine, and the same weights up to the rounding of NumPy's matrix product.

    python3 tools/make_example.py [--out examples] [--seed 7]
"""

import argparse
import pathlib
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))

from rows.onnx import layers, model, node  # noqa: E402

SIDE = 10
CLASSES = ["circle", "square", "triangle", "plus", "cross"]
HIDDEN = [40, 40]


# ---- Pictures ----------------------------------------------------------------------------------------------------

def strokes(shape, rng):
    """The shape as a list of line segments around the origin, in units of its size."""
    if shape == "circle":
        angles = np.linspace(0, 2 * np.pi, 13)
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return list(zip(points[:-1], points[1:]))
    corners = {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9), (-0.9, -0.9)],
        "triangle": [(0, -1), (1, 0.8), (-1, 0.8), (0, -1)],
    }
    if shape in corners:
        points = np.array(corners[shape]) + 0
        points[:-1] += rng.normal(0, 0.06, points[:-1].shape)
        points[-1] = points[0]
        return list(zip(points[:-1], points[1:]))
    arms = [((-1, 0), (1, 0)), ((0, -1), (0, 1))]
    if shape == "cross":
        arms = [((-0.8, -0.8), (0.8, 0.8)), ((-0.8, 0.8), (0.8, -0.8))]
    return [(np.array(a) + rng.normal(0, 0.06, 2), np.array(b) + rng.normal(0, 0.06, 2)) for a, b in arms]


def draw(shape, rng, noise=0.05):
    """One picture, values in [0, 1] rounded to four decimals so that property files are short and exact."""
    centre = np.array([SIDE - 1, SIDE - 1]) / 2 + rng.uniform(-0.7, 0.7, 2)
    size = rng.uniform(2.9, 3.7)
    turn = rng.normal(0, 0.08)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    pixels = np.stack([x, y], axis=-1).astype(float)
    distance = np.full((SIDE, SIDE), np.inf)
    for a, b in strokes(shape, rng):
        a, b = centre + size * rotation @ a, centre + size * rotation @ b
        along = np.clip(((pixels - a) @ (b - a)) / ((b - a) @ (b - a)), 0, 1)
        distance = np.minimum(distance, np.linalg.norm(pixels - a - along[..., None] * (b - a), axis=-1))
    width = rng.uniform(0.4, 0.6)
    ink = np.clip(1.3 - (distance - width) / 0.7, 0, 1) * rng.uniform(0.8, 1.0)
    return np.round(np.clip(ink + rng.normal(0, noise, ink.shape), 0, 1), 4)


def pictures(count, rng):
    """`count` pictures of random shapes: [count, 100] and their classes."""
    labels = rng.integers(0, len(CLASSES), count)
    return np.stack([draw(CLASSES[label], rng).ravel() for label in labels]), labels


# ---- The network -------------------------------------------------------------------------------------------------

def forward(net, x):
    """Logits, and the inputs of each layer."""
    inputs = []
    for k, (w, b) in enumerate(net):
        inputs.append(x)
        x = x @ w.T + b
        if k + 1 < len(net):
            x = np.maximum(x, 0)
    return x, inputs


def backward(net, inputs, gradient):
    """Gradients of the weights and of the input, for the gradient of the logits."""
    weights = []
    for k in range(len(net) - 1, -1, -1):
        weights.append((gradient.T @ inputs[k], gradient.sum(axis=0)))
        gradient = gradient @ net[k][0]
        if k > 0:
            gradient = gradient * (inputs[k] > 0)
    return weights[::-1], gradient


def softmax_gradient(logits, labels):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)


def train(rng, epochs=40, batch=64, eps=0.05):
    """Adam on pictures that are each moved by one gradient-sign step of eps: a network worth verifying."""
    x, labels = pictures(4000, rng)
    sizes = [SIDE * SIDE, *HIDDEN, len(CLASSES)]
    net = [(rng.normal(0, np.sqrt(2 / m), (n, m)), np.zeros(n)) for m, n in zip(sizes[:-1], sizes[1:])]
    first = [(0 * w, 0 * b) for w, b in net]
    second = [(0 * w, 0 * b) for w, b in net]
    step = 0
    for epoch in range(epochs):
        order = rng.permutation(len(x))
        rate = 2e-3 * (1 - epoch / epochs)
        for start in range(0, len(x), batch):
            part = order[start:start + batch]
            moved = x[part]
            logits, inputs = forward(net, moved)
            _, gradient = backward(net, inputs, softmax_gradient(logits, labels[part]))
            moved = np.clip(moved + eps * np.sign(gradient), 0, 1)
            logits, inputs = forward(net, moved)
            gradients, _ = backward(net, inputs, softmax_gradient(logits, labels[part]))
            step += 1
            for k in range(len(net)):
                new = []
                for value, g, m, v in zip(net[k], gradients[k], first[k], second[k]):
                    m += 0.1 * (g - m)
                    v += 0.001 * (g * g - v)
                    new.append(value - rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8))
                net[k] = tuple(new)
    # From here on the network is what the file will hold: float32 numbers.
    return [(w.astype(np.float32).astype(float), b.astype(np.float32).astype(float)) for w, b in net]


# ---- Bounds and attack: to choose the radii ----------------------------------------------------------------------

def crown(net, lower, upper):
    """Lower bounds of the rows of the last layer by CROWN (Zhang et al. 2018) with the adaptive lower slope."""
    bounds = []  # of the inputs of each ReLU
    for depth in range(1, len(net) + 1):
        w, b = net[depth - 1]
        ends = []
        # Lower bounds of the rows and, but for the last layer, of their negatives.
        for sign in (1, -1) if depth < len(net) else (1,):
            a, bias = sign * w, sign * b
            for k in range(depth - 2, -1, -1):
                lo, hi = bounds[k]
                unstable = (lo < 0) & (hi > 0)
                upper_slope = np.where(unstable, hi / np.where(unstable, hi - lo, 1), lo >= 0)
                lower_slope = np.where(unstable, hi > -lo, lo >= 0)
                intercept = np.where(unstable, -upper_slope * lo, 0)
                positive, negative = np.maximum(a, 0), np.minimum(a, 0)
                bias = bias + negative @ intercept
                a = positive * lower_slope + negative * upper_slope
                bias = bias + a @ net[k][1]
                a = a @ net[k][0]
            ends.append(bias + np.maximum(a, 0) @ lower + np.minimum(a, 0) @ upper)
        if depth < len(net):
            bounds.append((ends[0], -ends[1]))
    return ends[0]


def margins(net, label):
    """The network with its last layer replaced by logit(label) - logit(j), one row for every other class j."""
    w, b = net[-1]
    others = [j for j in range(len(CLASSES)) if j != label]
    return [*net[:-1], (w[label] - w[others], b[label] - b[others])]


def box(picture, eps):
    return np.clip(picture - eps, 0, 1), np.clip(picture + eps, 0, 1)


def attack(net, picture, label, eps, rng, restarts=40, steps=120):
    """The least margin that projected gradient descent reaches in the box, over all other classes."""
    lower, upper = box(picture, eps)
    rows = margins(net, label)
    best = np.inf
    for target in range(len(rows[-1][1])):
        x = rng.uniform(lower, upper, (restarts, len(lower)))
        pick = np.zeros((restarts, len(rows[-1][1])))
        pick[:, target] = 1
        for step in range(steps):
            values, inputs = forward(rows, x)
            best = min(best, values.min())
            _, gradient = backward(rows, inputs, pick)
            size = 2 * eps * max(0.02, (1 - step / steps) ** 2 * 0.25)
            x = np.clip(x - size * np.sign(gradient), lower, upper)
        best = min(best, forward(rows, x)[0].min())
    return best


def greatest(holds, low, high, rounds=14):
    """The greatest eps in [low, high] at which holds(eps), for a test that is true first and false then."""
    for _ in range(rounds):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


# ---- Files -------------------------------------------------------------------------------------------------------

def onnx(net):
    """The network as an ONNX model, opset 13: Flatten, then Gemm and Relu in turn."""
    nodes, tensors = layers(net, "flat", "logits", [node("Flatten", ["image"], "flat", axis=1)])
    return model(nodes, tensors, inputs=[("image", [1, 1, SIDE, SIDE])], outputs=[("logits", [1, len(CLASSES)])],
                 name="shapes", producer="tools/make_example.py")


def ascii_picture(picture):
    ramp = " .:-=+*#%@"
    return ["".join(ramp[min(int(v * len(ramp)), len(ramp) - 1)] for v in row) for row in picture.reshape(SIDE, SIDE)]


def vnnlib(picture, label, eps, words):
    """The query "does a picture of another class exist?" in VNN-LIB 1.0: unsat means that the class is kept."""
    lines = [f"; {line}" for line in words]
    lines += [";   |" + row + "|" for row in ascii_picture(picture)] + [""]
    lines += [f"(declare-const X_{i} Real)" for i in range(SIDE * SIDE)]
    lines += [f"(declare-const Y_{j} Real)" for j in range(len(CLASSES))] + [""]
    for i, (lo, hi) in enumerate(zip(*box(picture, eps))):
        lines += [f"(assert (>= X_{i} {lo:.6f}))", f"(assert (<= X_{i} {hi:.6f}))"]
    lines += ["", "; some other class has a logit at least as great", "(assert (or"]
    lines += [f"  (and (>= Y_{j} Y_{label}))" for j in range(len(CLASSES)) if j != label]
    return "\n".join(lines + ["))", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "examples")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)

    net = train(rng)
    x, labels = pictures(2000, rng)
    print(f"accuracy on 2000 fresh pictures: {(forward(net, x)[0].argmax(axis=1) == labels).mean():.4f}")
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "shapes.onnx").write_bytes(onnx(net))

    # (file, class, and how the radius follows from the one that CROWN proves and the one that the attack reaches)
    wanted = [
        ("holds", 0, lambda proved, reached: 0.9 * proved),
        ("violated", 4, lambda proved, reached: 1.15 * reached),
        ("branching", 2, lambda proved, reached: proved + 0.6 * (reached - proved)),
    ]
    for name, label, choose in wanted:
        while True:  # a picture that the network gets right
            picture = draw(CLASSES[label], rng).ravel()
            if forward(net, picture[None])[0].argmax() == label:
                break
        rows = margins(net, label)
        proved = greatest(lambda eps: crown(rows, *box(picture, eps)).min() > 0, 0, 1)
        reached = greatest(lambda eps: attack(net, picture, label, eps, rng) > 0, proved, 1)
        eps = round(choose(proved, reached), 4)
        bound, best = crown(rows, *box(picture, eps)).min(), attack(net, picture, label, eps, rng, 200)
        fits = {"holds": bound > 0, "violated": best < 0, "branching": bound < 0 < best}[name]
        print(f"{name}: {CLASSES[label]}, CROWN proves eps <= {proved:.4f}, the attack needs eps > {reached:.4f}; "
              f"eps = {eps}: CROWN bound {bound:+.4f}, least margin of the attack {best:+.4f}")
        if not fits:
            raise SystemExit(f"eps = {eps} does not make the property '{name}'")
        words = [f"{name}: does a picture within {eps} of this {CLASSES[label]} in every pixel exist that",
                 "the network shapes.onnx takes for another shape?",
                 f"classes: {', '.join(f'{j} {c}' for j, c in enumerate(CLASSES))}; made by tools/make_example.py"]
        (args.out / f"{name}.vnnlib").write_text(vnnlib(picture, label, eps, words))


if __name__ == "__main__":
    main()
