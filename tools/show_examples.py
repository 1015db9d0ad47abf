#!/usr/bin/env python3
"""Verifies the properties of examples/ with coronet and prints what it found for people.

    python3 tools/show_examples.py build/release/coronet examples [options of coronet verify]
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

SIDE = 10
CLASSES = ["circle", "square", "triangle", "plus", "cross"]
RAMP = " .:-=+*#%@"
EXPECTED = {"holds": "unsat", "branching": "unsat", "violated": "sat"}


def read_property(path):
    """The middle of the box, its half-width, and the class that is to be kept."""
    text = path.read_text(encoding="utf-8")
    low = {int(i): float(v) for i, v in re.findall(r"\(>= X_(\d+) (\S+)\)\)", text)}
    high = {int(i): float(v) for i, v in re.findall(r"\(<= X_(\d+) (\S+)\)\)", text)}
    eps = max((high[i] - low[i]) / 2 for i in low)
    # Pixels near black or white are clipped to [0, 1]: there the picture is eps inside the other end.
    picture = [low[i] + eps if high[i] >= 1 else high[i] - eps for i in sorted(low)]
    label = int(re.search(r"\(>= Y_\d+ Y_(\d+)\)", text).group(1))
    return picture, eps, label


def rows(values, scale=1.0):
    ramp = [RAMP[min(max(int(v / scale * len(RAMP)), 0), len(RAMP) - 1)] for v in values]
    return ["".join(c * 2 for c in ramp[y * SIDE:(y + 1) * SIDE]) for y in range(SIDE)]


def side_by_side(titles, pictures):
    width = 2 * SIDE
    lines = ["    " + "   ".join(f"{t:<{width + 2}}" for t in titles).rstrip()]
    edge = "    " + "   ".join("+" + "-" * width + "+" for _ in pictures)
    lines.append(edge)
    lines += ["    " + "   ".join(f"|{p[y]}|" for p in pictures) for y in range(SIDE)]
    return "\n".join([*lines, edge])


def logits(values):
    return "  ".join(f"{name} {value:+.2f}" for name, value in zip(CLASSES, values))


def show(name, verdict, seconds, report, picture, eps, label):
    word = CLASSES[label]
    print(f"== {name}: is every picture within {eps:.4f} per pixel of this {word} taken for a {word}?")
    bounds = [c["bound"] for c in report.get("clauses", []) if c.get("bound") is not None]
    by = sorted({c["decided_by"] for c in report.get("clauses", []) if c.get("decided_by")})
    if verdict == "sat":
        found = report["counterexample"]
        change = [abs(a - b) for a, b in zip(found["input"], picture)]
        taken = max(range(len(CLASSES)), key=lambda j: found["output"][j])
        print(f"   NO, VIOLATED in {seconds:.2f} s: this one is taken for a {CLASSES[taken]}")
        print(side_by_side(["original", "counterexample", f"change (@ = {eps:.4f})"],
                           [rows(picture), rows(found["input"]), rows(change, 1.0001 * eps)]))
        print("   logits of the counterexample: " + logits(found["output"]))
        print(f"   greatest change of a pixel: {max(change):.6f}")
    else:
        if verdict == "unsat":
            print(f"   YES, IT HOLDS: proved in {seconds:.2f} s"
                  + (f" by {', '.join(by)}" if by else ""))
        else:
            print(f"   {verdict.upper()} after {seconds:.2f} s: {report.get('reason', 'no reason given')}")
        print(side_by_side(["original"], [rows(picture)]))
        if bounds:
            print(f"   least proved margin of {word} over another class: {min(bounds):+.4f}")
        if report.get("best_attack") is not None:
            print(f"   least margin that the attack could reach: {report['best_attack']:+.4f}")
    if report.get("domains"):
        print(f"   sub-problems of branch and bound: {report['domains']}")
    print()


def main():
    program, folder, *options = sys.argv[1:]
    folder = pathlib.Path(folder)
    if not any(option.startswith("--timeout") for option in options):
        options += ["--timeout", "60"]
    wrong = 0
    for name, expected in EXPECTED.items():
        path = folder / f"{name}.vnnlib"
        with tempfile.TemporaryDirectory() as scratch:
            out = pathlib.Path(scratch) / "result.json"
            command = [program, "verify", str(folder / "shapes.onnx"), str(path), "--json", str(out), *options]
            print("$ " + " ".join(command[:4]), flush=True)
            begin = time.monotonic()
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
            seconds = time.monotonic() - begin
            verdict = (done.stdout.splitlines() or ["no answer"])[0]
            if not out.exists():
                print(done.stderr, file=sys.stderr)
                print(f"   {verdict} (exit code {done.returncode})\n")
                wrong += 1
                continue
            report = json.loads(out.read_text(encoding="utf-8"))
        show(name, verdict, seconds, report, *read_property(path))
        wrong += verdict != expected
    if wrong:
        print(f"{wrong} of {len(EXPECTED)} properties did not get the verdict that they should")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
