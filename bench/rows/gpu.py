"""Bounds on a GPU: time and device memory of alpha-CROWN and CROWN, beside auto_LiRPA's on the same card."""

import sys

from rows.common import HERE, Line, find, run

# name, network and property (width and layers of a random MLP, or paths in the pack), options, chunks in MiB, asked MB
# and seconds, auto_LiRPA's
LARGE = ("resnet_large/onnx/resnet_large.onnx", "resnet_large/vnnlib/point_0_eps_{}.vnnlib")
SRI = ("sri_resnet_a/onnx/resnet_3b2_bn_mixup_adv_4.0_bs128_lr-1.onnx",
       "sri_resnet_a/vnnlib/cifar10_spec_idx_1864_eps_0.00350.vnnlib")
RESNET_4B = ("cifar10_resnet/onnx/resnet_4b.onnx", "cifar10_resnet/vnnlib/resnet4b_pgd_filtered/prop_0_eps_0.004.vnnlib")
ALPHA20 = ["--iterations", "20", "--converged", "0"]
ALPHA100 = ["--iterations", "100", "--converged", "0"]
CASES = [
    ("alpha-CROWN 4096x4", (4096, 4), [*ALPHA20, "--plain"], [128, 144], 320, 0.22, "4,860 MB / 1.87 s"),
    ("alpha-CROWN 8192x4", (8192, 4), [*ALPHA20, "--plain"], [256], 1000, 1.2, "19,824 MB / 10.0 s"),
    ("alpha-CROWN 4096x8", (4096, 8), [*ALPHA20, "--plain"], [256, 272], 700, 1.2, "24,519 MB / 10.1 s"),
    ("alpha-CROWN 16384x4", (16384, 4), [*ALPHA20, "--plain"], [768], 4000, 8.0, "out of 80 GB"),
    ("CROWN 8192x4", (8192, 4), ["--method", "crown", "--plain"], [256, 512], 1000, 0.16, "2,363 MB / 0.167 s"),
    ("alpha-CROWN 100, sri_resnet_a", SRI, ALPHA100, [32], 100, 1.5, "1,092 MB / 22.9 s"),
    ("alpha-CROWN 100, cifar10 resnet_4b", RESNET_4B, ALPHA100, [64], 150, 2.0, "1,625 MB / 38.2 s"),
    ("alpha-CROWN 20, ResNet-large 1/255", (LARGE[0], LARGE[1].format("1.0")), ALPHA20, [1536], 2500, 3.0,
     "64,715 MB / 16.1 s"),
    ("alpha-CROWN 20, ResNet-large 1.5/255", (LARGE[0], LARGE[1].format("1.5")), ALPHA20, [1536], 2500, 5.0,
     "out of 80 GB"),
]


def files_of(settings, which):
    """(network, property) of a case, made if it is a random one; None where the pack lacks it."""
    if isinstance(which[0], int):
        width, layers = which
        folder = settings.out / f"mlp{width}x{layers}"
        if not (folder / "mlp.onnx").exists():
            made = run([sys.executable, str(HERE / "make_mlp.py"), "--out", str(folder), "--sizes",
                        ",".join(map(str, [784, *[width] * layers, 10]))], settings.bench_limit)
            if made.code != 0:
                return None
        return str(folder / "mlp.onnx"), str(folder / "mlp.vnnlib")
    for base in (settings.pack, settings.pack.parent / "procedural"):
        network, query = find(base / which[0]), find(base / which[1])
        if network and query:
            return network, query
    return None


def gpu(settings):
    lines = []
    for name, which, options, chunks, asked_mb, asked_s, other in CASES:
        asked = f"{asked_mb} MB / {asked_s:g} s (auto_LiRPA: {other})"
        files = files_of(settings, which)
        if files is None:
            lines.append(Line(f"GPU: {name}", asked, "no such file"))
            continue
        words, good = [], False
        for chunk in chunks:
            result = run([settings.alpha_bench, *files, "--json", "--device", "cuda", "--device-chunk-mib", str(chunk),
                          "--threads", str(settings.threads), "--repeat", "2", *options], settings.bench_limit)
            found = result.json()
            if result.code != 0 or not found:
                words.append(f"chunk {chunk} MiB: {result.err.strip() or 'no result'}")
                continue
            memory = found["device_memory"]["total"] / 1e6
            good |= memory <= asked_mb and found["seconds"] <= asked_s
            words.append(f"{memory:.0f} MB / {found['seconds']:.2f} s with chunks of {chunk} MiB, worst row "
                         f"{found['worst']:.4g}")
        lines.append(Line(f"GPU: {name}", asked, "; ".join(words), good))
    return lines
