"""Domains that branch and bound bounds in a second."""

import json

from rows.common import Line, find, median, run

ONNX, VNNLIB = "mnist_fc/onnx/mnist-net_256x6.onnx", "mnist_fc/vnnlib/prop_1_0.03.vnnlib"
ASKED = 6000
ASKED_OF_GPU = 150000


def throughput(settings):
    """On the CPU, or where settings.device names one, on that GPU."""
    onnx, vnnlib = find(settings.pack / ONNX), find(settings.pack / VNNLIB)
    least = ASKED_OF_GPU if settings.device else ASKED
    name = "branch and bound, mnist 256x6 prop_1_0.03, 20 iterations"
    if settings.device:
        name += f", {settings.device}, {settings.threads} threads"
    asked = f"{least} domains/s"
    if onnx is None or vnnlib is None:
        return [Line(name, asked, "no such file in the pack")]
    device = ["--device", settings.device or "cpu"]
    rates, words = [], ""
    for _ in range(settings.count(3)):
        seconds = 5 if settings.quick else 20
        path = settings.out / "throughput.json"
        path.unlink(missing_ok=True)
        result = run([settings.coronet, "verify", onnx, vnnlib, "--timeout", str(seconds), "--threads",
                      str(settings.threads), "--branch", "relu", "--branch-iterations", "20", "--no-refine", *device,
                      "--json", str(path), "--quiet"], seconds + 20)
        found = json.loads(path.read_text()) if path.exists() else {}
        if "phases" not in found:
            return [Line(name, asked, f"exit code {result.code}: {result.err.strip()}", False)]
        branch = sum(phase["seconds"] for phase in found["phases"] if phase["name"] == "branch")
        if not branch or not found["domains"]:
            return [Line(name, asked, f"no domain was branched on: '{found['verdict']}' after {result.wall:.1f} s", False)]
        rates.append(found["domains"] / branch)
        words = (f"{found['domains']} domains in {branch:.1f} s, {found['unstable_neurons']} unstable at the root, "
                 f"{found['verdict']}, {found['memory'].get('resident', 0) / 1e6:.0f} MB")
        if settings.device:
            words += f", {found['memory'].get('device total', 0) / 1e6:.0f} MB on the device"
    return [Line(name, asked, f"median {median(rates):.0f} domains/s of {len(rates)}; last: {words}",
                 median(rates) >= least)]
