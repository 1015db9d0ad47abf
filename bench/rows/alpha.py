"""alpha-CROWN's time, and all bounds beside auto_LiRPA's."""

import sys

from rows.common import Line, alpha_command, median, references, run, shortfall

TIMED = [("mnist_256x6_b", 0.8, "7.8 / 4.8"), ("eran_relu_9_200", 0.5, "22.4 / 2.0"), ("sri_resnet_a", 8.0, "22.9 / none"),
         ("cifar_resnet_4b", 15.0, "38.2 / none")]
METHODS = [("ibp", "interval", 0), ("crown", "crown", 0), ("alpha_20", "alpha", 20), ("alpha_100", "alpha", 100)]


def bounds(settings, reference, method, iterations, converged=""):
    """What alpha_bench says, or (None, why not)."""
    command = alpha_command(settings, reference, method, iterations, converged)
    if command is None:
        return None, "no such file in the pack"
    result = run(command, settings.bench_limit)
    found = result.json()
    if result.code is None:
        return None, f"not done after {settings.bench_limit:g} s"
    if result.code != 0 or found is None:
        return None, (result.err.strip() or f"exit code {result.code}").splitlines()[-1]
    return found, ""


def timed_case(settings, name, reference, asked, others, converged):
    times, problem, words, good = [], "", "", True
    for _ in range(settings.count(3)):
        found, problem = bounds(settings, reference, "alpha", 100, converged)
        if problem:
            break
        times.append(found["seconds"])
        good, words = shortfall(reference, "alpha_100", found["rows"])
    measured = problem or (f"median {median(times):.2f} s, best {min(times):.2f} s of {len(times)}; looser than alpha_100 "
                           f"by at most {words}; {found['unstable']} unstable; {found['peak_mib']:.0f} MiB")
    note = f" (converged {converged})" if converged else ""
    return Line(f"alpha-CROWN, 100 iterations{note}: {name}", f"{asked:g} s (others: {others})", measured,
                not problem and good and median(times) <= asked)


def alpha_time(settings):
    """As the program does it, where rows that stop improving leave, and with all iterations of all rows."""
    cases = references(settings)
    table = []
    for name, asked, others in TIMED:
        for converged in [""] if settings.converged else ["", "0"]:
            if name in cases:
                table.append(timed_case(settings, name, cases[name], asked, others, converged))
    return table


def reference_bounds(settings):
    table = []
    for name, reference in references(settings).items():
        for key, method, iterations in METHODS:
            if key not in reference:
                continue
            found, problem = bounds(settings, reference, method, iterations)
            good, words = (False, problem) if problem else shortfall(reference, key, found["rows"])
            if not problem:
                words = (f"looser by at most {words}; worst row {found['worst']:.6g}, theirs {min(reference[key]):.6g}; "
                         f"{found['seconds']:.2f} s")
            asked = "0.1 % of the gap, or tighter" if method == "alpha" else "1e-5 relative, or tighter"
            table.append(Line(f"reference {name}: {key}", asked, words, good))
            print(f"[reference] {name} {key}: {'ok' if good else 'short'}, {words}", file=sys.stderr)
    return table
