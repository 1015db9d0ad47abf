"""Domains that branch and bound bounds in a second."""

import json

from rows.common import Line, find, median, run

ONNX, VNNLIB = "mnist_fc/onnx/mnist-net_256x6.onnx", "mnist_fc/vnnlib/prop_1_0.03.vnnlib"
ASKED = 6000


def throughput(settings):
    onnx, vnnlib = find(settings.pack / ONNX), find(settings.pack / VNNLIB)
    name, asked = "branch and bound, mnist 256x6 prop_1_0.03, 20 iterations", f"{ASKED} domains/s"
    if onnx is None or vnnlib is None:
        return [Line(name, asked, "no such file in the pack")]
    rates, words = [], ""
    for _ in range(settings.count(3)):
        seconds = 5 if settings.quick else 20
        path = settings.out / "throughput.json"
        path.unlink(missing_ok=True)
        result = run([settings.coronet, "verify", onnx, vnnlib, "--timeout", str(seconds), "--threads",
                      str(settings.threads), "--branch", "relu", "--branch-iterations", "20", "--no-refine", "--json", str(path),
                      "--quiet"], seconds + 20)
        if not path.exists():
            return [Line(name, asked, f"exit code {result.code}: {result.err.strip()}", False)]
        found = json.loads(path.read_text())
        branch = sum(phase["seconds"] for phase in found["phases"] if phase["name"] == "branch")
        if not branch or not found["domains"]:
            return [Line(name, asked, f"no domain was branched on: '{found['verdict']}' after {result.wall:.1f} s", False)]
        rates.append(found["domains"] / branch)
        words = (f"{found['domains']} domains in {branch:.1f} s, {found['unstable_neurons']} unstable at the root, "
                 f"{found['verdict']}, {found['memory'].get('resident', 0) / 1e6:.0f} MB")
    return [Line(name, asked, f"median {median(rates):.0f} domains/s of {len(rates)}; last: {words}",
                 median(rates) >= ASKED)]
