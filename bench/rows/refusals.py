"""Unsupported operators and malformed files: a clear error and its exit code, never a crash, a hang or a verdict."""

import gzip
import pathlib
import random
import sys
import tempfile

from rows.common import Line, find, run
from rows.onnx import model, node, tensor

LIMIT = 10.0
BAD, UNSUPPORTED = 2, 3
VERDICTS = ("sat", "unsat", "unknown", "timed-out", "timeout")

HEAD = "".join(f"(declare-const {v} Real)\n" for v in ("X_0", "X_1", "Y_0", "Y_1"))
BOX = "".join(f"(assert (>= X_{i} 0))\n(assert (<= X_{i} 1))\n" for i in (0, 1))
GOOD_PROPERTY = HEAD + BOX + "(assert (>= Y_0 Y_1))\n"
GOOD_MODEL = model([node("Relu", ["x"], "y")])


def models():
    """(name, bytes, exit codes that are right)"""
    for op in ("NotAnOperator", "Loop", "NonZero", "Erf", "Softmax", "ArgMax", "Resize"):
        yield f"operator {op}", model([node(op, ["x"], "y")]), (BAD, UNSUPPORTED)
    yield "operator of another domain", model([node("Relu", ["x"], "y", "com.example")]), (BAD, UNSUPPORTED)
    yield "product of two variables", model([node("Mul", ["x", "x"], "y")]), (UNSUPPORTED,)
    yield "opset 1000", model([node("Relu", ["x"], "y")], opset=1000), (BAD, UNSUPPORTED)
    yield "no node", model([]), (BAD, UNSUPPORTED)
    yield "input of no shape", model([node("Relu", ["z"], "y")]), (BAD, UNSUPPORTED)
    yield ("cycle", model([node("Add", ["x", "b"], "a"), node("Relu", ["a"], "b"), node("Relu", ["b"], "y")]),
           (BAD, UNSUPPORTED))
    yield ("two inputs", model([node("Add", ["x", "z"], "y")], inputs=(("x", [1, 2]), ("z", [1, 2]))),
           (BAD, UNSUPPORTED))
    yield "integer input", model([node("Relu", ["x"], "y")], inputs=(("x", [1, 2], 7),)), (BAD, UNSUPPORTED)
    for shape in ([3, 2], [2, 3], [0, 2], [2**40, 2]):
        yield (f"weight of shape {shape} with 4 numbers", model([node("MatMul", ["x", "w"], "y")],
                                                                [tensor("w", shape, b"\0" * 16)]), (BAD, UNSUPPORTED))
    yield ("weight with NaN", model([node("MatMul", ["x", "w"], "y")],
                                    [tensor("w", [2, 2], b"\0\0\xc0\x7f" * 4)]), (BAD, UNSUPPORTED))
    yield "huge input", model([node("Relu", ["x"], "y")], inputs=(("x", [2**31, 2**31]),)), (BAD, UNSUPPORTED, 4)
    yield "empty file", b"", (BAD,)
    yield "text", b"this is no network\n", (BAD,)
    yield "broken gzip", gzip.compress(GOOD_MODEL)[:-9], (BAD,)
    noise = random.Random(1)
    for size in (1, 10, 1000, 100000):
        yield f"noise of {size} bytes", noise.randbytes(size), (BAD, UNSUPPORTED)
    for part in range(1, 10):
        yield f"cut at {part}/10", GOOD_MODEL[:len(GOOD_MODEL) * part // 10], (BAD, UNSUPPORTED)


def properties():
    yield "empty", "", (BAD,)
    yield "text", "this is no property", (BAD,)
    yield "unbalanced", GOOD_PROPERTY[:-3], (BAD,)
    yield "too many closed", GOOD_PROPERTY + ")", (BAD,)
    yield "no box", HEAD + "(assert (>= Y_0 Y_1))\n", (BAD, UNSUPPORTED)
    yield "half a box", HEAD + BOX.replace("(assert (<= X_1 1))\n", "") + "(assert (>= Y_0 Y_1))\n", (BAD, UNSUPPORTED)
    yield "unknown variable", GOOD_PROPERTY + "(assert (>= Z_0 0))\n", (BAD,)
    yield "variable beyond the network", GOOD_PROPERTY.replace("Y_1", "Y_7"), (BAD,)
    yield "input beyond the network", GOOD_PROPERTY.replace("X_1", "X_7"), (BAD,)
    yield "product of outputs", HEAD + BOX + "(assert (>= (* Y_0 Y_1) 0))\n", (BAD, UNSUPPORTED)
    yield "unknown command", GOOD_PROPERTY + "(frobnicate)\n", (BAD, UNSUPPORTED)
    yield "not a number", GOOD_PROPERTY + "(assert (>= Y_0 1.2.3))\n", (BAD,)
    yield "number with infinity", GOOD_PROPERTY + "(assert (>= Y_0 inf))\n", (BAD, UNSUPPORTED)
    yield "bytes", "\x00\xff\x01" * 100, (BAD,)
    yield "deeply nested and never closed", HEAD + BOX + "(assert " + "(and " * 200000, (BAD,)


def problem(result, codes):
    """What is wrong with an answer; "" if nothing is."""
    word = result.out.split("\n", 1)[0].strip()
    if result.code is None:
        return f"still running after {LIMIT:g} s"
    if word in VERDICTS and not (4 in codes and result.code == 4):
        return f"verdict '{word}'"
    if result.code not in codes:
        return f"exit code {result.code}, not {' or '.join(map(str, codes))}"
    return "" if result.err.strip() else "no message"


def check(settings, name, arguments, codes, problems):
    command = [settings.coronet, "verify", *arguments, "--timeout", "5", "--threads", str(settings.threads)]
    found = problem(run(command, LIMIT), codes)
    if found:
        problems.append(f"{name}: {found}")


def refusals(settings):
    problems, count = [], 0
    with tempfile.TemporaryDirectory() as folder:
        net, prop = pathlib.Path(folder, "n.onnx"), pathlib.Path(folder, "p.vnnlib")
        prop.write_text(GOOD_PROPERTY)
        net.write_bytes(GOOD_MODEL)
        good = run([settings.coronet, "verify", str(net), str(prop), "--timeout", "5"], LIMIT)
        if good.code != 0:
            problems.append(f"the sound files are refused too: {good.err.strip()}")
        for name, data, codes in models():
            net.write_bytes(data)
            check(settings, f"network: {name}", [str(net), str(prop)], codes, problems)
            count += 1
        net.write_bytes(GOOD_MODEL)
        for name, text, codes in properties():
            prop.write_bytes(text.encode("latin-1"))
            check(settings, f"property: {name}", [str(net), str(prop)], codes, problems)
            count += 1
        prop.write_text(GOOD_PROPERTY)
        missing = str(net.with_name("missing"))
        for arguments in ([missing + ".onnx", str(prop)], [str(net), missing + ".vnnlib"], [folder, str(prop)],
                          [str(net)], []):
            check(settings, f"arguments {len(arguments)}", arguments, (BAD,), problems)
            count += 1
        # A network of the pack, cut: none of its parts is a network.
        donor = find(settings.pack / "acasxu/onnx/ACASXU_run2a_1_1_batch_2000.onnx")
        whole = find(settings.pack / "acasxu/vnnlib/prop_1.vnnlib")
        if donor and whole:
            data = gzip.open(donor).read() if donor.endswith(".gz") else pathlib.Path(donor).read_bytes()
            for part in range(1, 10):
                net.write_bytes(data[:len(data) * part // 10])
                check(settings, f"network: acasxu cut at {part}/10", [str(net), whole], (BAD, UNSUPPORTED), problems)
                count += 1
    for text in problems:
        print(f"refusals: {text}", file=sys.stderr)
    measured = f"{count - len(problems)} of {count} refused" + (f"; first: {problems[0]}" if problems else "")
    return [Line("unsupported operator, malformed file", "an error and its exit code", measured, not problems)]
