"""Process start to verdict: a nano network, and three instances of mnist_fc."""

from rows.common import Line, find, median, run

MNIST = [("256x2", "prop_10_0.05", 0.15), ("256x4", "prop_8_0.03", 0.7), ("256x4", "prop_11_0.05", 4.0)]


def timed(settings, onnx, vnnlib, expected, runs):
    """Wall times of all runs in seconds, and what went wrong, in words."""
    onnx, vnnlib = find(settings.pack / onnx), find(settings.pack / vnnlib)
    if onnx is None or vnnlib is None:
        return [], "no such file in the pack"
    limit = 20.0 if settings.quick else settings.timeout
    times = []
    for _ in range(runs):
        result = run([settings.coronet, "verify", onnx, vnnlib, "--timeout", f"{limit:g}", "--threads",
                      str(settings.threads), "--quiet"], limit + 20)
        times.append(result.wall)
        word = result.out.split("\n", 1)[0].strip()
        if word != expected:
            return times, f"'{word}' (exit {result.code}) after {result.wall:.2f} s, not {expected}"
    return times, ""


def mnist(settings):
    table = []
    for net, prop, asked in MNIST:
        times, problem = timed(settings, f"mnist_fc/onnx/mnist-net_{net}.onnx", f"mnist_fc/vnnlib/{prop}.vnnlib", "unsat",
                               settings.count(5, 2))
        measured = problem or f"median {median(times):.3f} s, best {min(times):.3f} s of {len(times)}"
        table.append(Line(f"mnist_fc 2022 {net} {prop}", f"{asked:g} s", measured,
                          not problem and median(times) <= asked))
    return table


def startup(settings):
    times, problem = timed(settings, "test/onnx/test_nano.onnx", "test/vnnlib/test_nano.vnnlib", "unsat",
                           settings.count(20, 5))
    measured = problem or (f"median {1e3 * median(times):.1f} ms, best {1e3 * min(times):.1f}, worst "
                           f"{1e3 * max(times):.1f} of {len(times)}")
    return [Line("start-up, `test` nano net", "under 50 ms", measured, not problem and median(times) < 0.05)]
