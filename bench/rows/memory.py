"""Peak resident memory of alpha-CROWN, of the whole process with its weights."""

import sys

from rows.common import HERE, Line, alpha_command, references, run


def peak(settings, command):
    """(MiB, how the run went, did it end by itself?)"""
    result = run(command, settings.bench_limit, watch=0.02)
    found = result.json()
    if result.code is None:
        stage = (result.err.strip().splitlines() or ["no stage"])[-1]
        return result.peak_mib, f"cut at {settings.bench_limit:g} s (last stage at {stage})", False
    if found is None:
        return 0.0, (result.err.strip() or f"exit code {result.code}").splitlines()[-1], True
    return max(result.peak_mib, found["peak_mib"]), f"{found['seconds']:.1f} s, {found['unstable']} unstable", True


def line(name, asked, found):
    mib, words, whole = found
    # The asked figures are MB, 1e6 bytes.
    mb = mib * 2**20 / 1e6
    good = 0 < mb < asked
    # What a run that was cut held is no proof of what it would have held.
    return Line(f"memory, {name}", f"under {asked} MB", f"{mb:.0f} MB; {words}" if mib else words,
                good if whole or not good else None)


def memory(settings):
    table = []
    cases = references(settings)
    if "sri_resnet_a" in cases:
        command = alpha_command(settings, cases["sri_resnet_a"], "alpha", 100)
        if command:
            table.append(line("alpha-CROWN on sri_resnet_a (auto_LiRPA: 1092 MB)", 150, peak(settings, command)))
    onnx, vnnlib = settings.out / "mlp.onnx", settings.out / "mlp.vnnlib"
    if not (onnx.exists() and vnnlib.exists()):
        made = run([sys.executable, str(HERE / "make_mlp.py"), "--out", str(settings.out)], 300)
        if made.code != 0:
            words = (made.err.strip() or "make_mlp.py failed").splitlines()[-1]
            return table + [Line("memory, 784-4096x4-10 MLP", "under 600 MB", words)]
    command = [settings.alpha_bench, str(onnx), str(vnnlib), "--json", "--iterations", "20", "--threads",
               str(settings.threads)]
    return table + [line("alpha-CROWN on a random 784-4096x4-10 MLP (auto_LiRPA: 4860 MB)", 600, peak(settings, command))]
