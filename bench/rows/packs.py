"""Verdicts over the benchmarks of the pack, one line of CSV an instance."""

import collections
import concurrent.futures
import csv
import hashlib
import os
import queue
import sys

from rows.common import Line, find, run

FIELDS = ["commit", "binary", "timeout", "threads", "benchmark", "onnx", "vnnlib", "expected", "verdict", "kind", "exit",
          "wall_s", "cpu_s", "peak_mib"]
GRACE = 20.0     # a process that lives longer than its time-out by this is ended
OVERSHOOT = 1.0  # and by this is late
EASY = ["rl_benchmarks", "reach_prob_density", "safenlp", "cersyve", "sat_relu", "collins_rul_cnn", "cora", "malbeware",
        "dist_shift"]
HARD = ["oval21", "sri_resnet_a", "sri_resnet_b", "cifar10_resnet", "eran", "marabou_cifar10", "verivital"]
# Only the ReLU network of eran counts in the group.
COUNTED = {"eran": lambda instance: "relu" in instance["onnx"].lower()}
# The least share of the known ones, or the least number; name of the line, benchmarks.
GROUPS = [("mnist_fc", ["mnist_fc"], 72), ("acasxu", ["acasxu"], 90), ("95 % group", EASY, 0.95),
          ("70 % group", HARD, 0.70)]


def instances(settings):
    """All chosen instances, as dictionaries."""
    names = settings.benchmarks or sorted(p.parent.name for p in settings.pack.glob("*/expected.csv"))
    chosen = []
    for name in names:
        with open(settings.pack / name / "expected.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        if settings.known:
            rows = [row for row in rows if row["expected"] in ("sat", "unsat")]
        for row in rows[:settings.limit] if settings.limit else rows:
            chosen.append({"benchmark": name, "onnx": row["onnx"], "vnnlib": row["vnnlib"], "expected": row["expected"]})
    return chosen


def kind_of(verdict, expected):
    if verdict not in ("sat", "unsat"):
        return verdict
    if expected not in ("sat", "unsat"):
        return "new"
    return "decided" if verdict == expected else "wrong"


def verdict_of(result):
    """The word that the run ends with; what is neither a verdict nor a refusal is a failure."""
    if result.code is None:
        return "hang"
    word = result.out.split("\n", 1)[0].strip()
    fits = {"sat": [0], "unsat": [0], "unknown": [10, 4], "timed-out": [11]}
    if word in fits:
        return word if result.code in fits[word] else "crash"
    return {2: "bad-input", 3: "unsupported", 4: "out-of-memory"}.get(result.code, "crash")


def slots(settings):
    """A queue of places where a verification can run: numbers with cores of their own, or one with all cores."""
    places = queue.Queue()
    cores = sorted(os.sched_getaffinity(0))
    for job in range(settings.jobs):
        own = cores[job * settings.threads:(job + 1) * settings.threads]
        if settings.jobs > 1 and len(own) < settings.threads:
            sys.exit(f"bench: {settings.jobs} jobs of {settings.threads} threads want more than {len(cores)} cores")
        places.put((job, ["taskset", "-c", ",".join(map(str, own))] if settings.jobs > 1 else []))
    return places


def verify(settings, instance, places):
    base = settings.pack / instance["benchmark"]
    onnx, vnnlib = find(base / instance["onnx"]), find(base / instance["vnnlib"])
    if onnx is None or vnnlib is None:
        return None
    job, pinned = places.get()
    try:
        result_file = settings.out / f"instance-{job}.result"
        result_file.unlink(missing_ok=True)
        result = run(pinned + [settings.coronet, "verify", onnx, vnnlib, "--timeout", f"{settings.timeout:g}", "--threads",
                               str(settings.threads), "--result", str(result_file), "--quiet"], settings.timeout + GRACE)
        verdict = verdict_of(result)
        # Standard output and the result file must say the same.
        if verdict in ("sat", "unsat") and result_file.read_text().split(None, 1)[0] != verdict:
            verdict = "crash"
        return result, verdict
    finally:
        places.put((job, pinned))


def key(line):
    return line["benchmark"], line["onnx"], line["vnnlib"], line["timeout"], line["threads"]


def earlier(settings, path, binary):
    """Lines of the results file that count for this run."""
    if settings.reuse == "none" or not path.exists():
        return {}
    with open(path, newline="") as file:
        lines = [line for line in csv.DictReader(file) if None not in line.values()]
    counts = {"any": lambda line: True, "commit": lambda line: line["commit"] == settings.commit,
              "binary": lambda line: line["binary"] == binary}[settings.reuse]
    return {key(line): line for line in lines if counts(line)}


def collect(settings):
    """A line for each chosen instance, from the file or measured now and appended to it."""
    path = settings.out / "packs.csv"
    with open(settings.coronet, "rb") as file:
        binary = hashlib.sha256(file.read()).hexdigest()[:12]
    known = earlier(settings, path, binary)
    fresh = not path.exists() or path.stat().st_size == 0
    places = slots(settings)
    lines, todo = [], []
    for instance in instances(settings):
        line = dict(instance, commit=settings.commit, binary=binary, timeout=f"{settings.timeout:g}",
                    threads=str(settings.threads))
        if key(line) in known:
            lines.append(dict(known[key(line)], kind=kind_of(known[key(line)]["verdict"], line["expected"])))
        else:
            todo.append(line)
    with open(path, "a", newline="") as file, concurrent.futures.ThreadPoolExecutor(settings.jobs) as pool:
        writer = csv.DictWriter(file, FIELDS)
        if fresh:
            writer.writeheader()
        measured = pool.map(lambda line: verify(settings, line, places), todo)
        for number, (line, outcome) in enumerate(zip(todo, measured), 1):
            if outcome is None:
                print(f"bench: no such file: {line['onnx']} or {line['vnnlib']}", file=sys.stderr)
                continue
            result, verdict = outcome
            line.update(verdict=verdict, kind=kind_of(verdict, line["expected"]),
                        exit="" if result.code is None else result.code, wall_s=f"{result.wall:.3f}",
                        cpu_s=f"{result.cpu:.3f}", peak_mib=f"{result.peak_mib:.1f}")
            writer.writerow(line)
            file.flush()
            lines.append(line)
            print(f"[{number}/{len(todo)}] {line['kind']:<11} {line['wall_s']:>8} s  {line['peak_mib']:>7} MiB  "
                  f"{line['benchmark']} {line['onnx']} {line['vnnlib']}", file=sys.stderr)
    return lines


def is_known(line):
    return line["expected"] in ("sat", "unsat")


def summary(name, lines):
    """One line of the table for information: how a benchmark went."""
    kinds = collections.Counter(line["kind"] for line in lines)
    known = sum(map(is_known, lines))
    decided = [float(line["wall_s"]) for line in lines if line["kind"] in ("decided", "new")]
    words = [f"{kinds.pop('decided', 0)} of {known} known"]
    words += [f"{count} {kind}" for kind, count in sorted(kinds.items())]
    if decided:
        words.append(f"slowest decided {max(decided):.1f} s")
    words.append(f"most memory {max(float(line['peak_mib']) for line in lines):.0f} MiB")
    return Line(f"packs: {name}", "", ", ".join(words))


def group(name, benchmarks, least, lines, settings):
    chosen = [line for line in lines if line["benchmark"] in benchmarks
              and COUNTED.get(line["benchmark"], lambda _: True)(line)]
    known = sum(map(is_known, chosen))
    if not known:
        return None
    decided = sum(line["kind"] == "decided" for line in chosen)
    missing = sorted(set(benchmarks) - {line["benchmark"] for line in chosen})
    share = isinstance(least, float)
    asked = f"{100 * least:.0f} % of the known ones" if share else f"{least} decided"
    measured = f"{decided} of {known} known, {100 * decided / known:.1f} %"
    if missing:
        measured += f" (without {', '.join(missing)})"
    if settings.limit:
        measured += " (a part only)"
    whole = not missing and not settings.limit
    return Line(f"packs: {name}", asked, measured, decided >= (least * known if share else least) if whole else None)


def packs(settings):
    lines = collect(settings)
    if not lines:
        return [Line("packs", "", "nothing was run")]
    by_benchmark = collections.defaultdict(list)
    for line in lines:
        by_benchmark[line["benchmark"]].append(line)
    verdicts = sum(line["verdict"] in ("sat", "unsat") for line in lines)
    wrong = [line for line in lines if line["kind"] == "wrong"]
    broken = [line for line in lines if line["verdict"] in ("crash", "hang")]
    late = [line for line in lines if float(line["wall_s"]) > float(line["timeout"]) + OVERSHOOT]
    for title, some in (("wrong", wrong), ("crash or hang", broken), ("late", late)):
        for line in some:
            print(f"{title}: {line['benchmark']} {line['onnx']} {line['vnnlib']}: {line['verdict']}, expected "
                  f"{line['expected']}, {line['wall_s']} s", file=sys.stderr)
    table = [Line("packs: wrong verdicts", "0", f"{len(wrong)} of {verdicts} verdicts, {len(lines)} instances", not wrong),
             Line("packs: crashes, hangs", "0", f"{len(broken)} of {len(lines)}", not broken),
             Line(f"packs: later than the time-out + {OVERSHOOT:g} s", "0", f"{len(late)} of {len(lines)}", not late)]
    table += filter(None, (group(name, names, least, lines, settings) for name, names, least in GROUPS))
    table += [summary(name, some) for name, some in sorted(by_benchmark.items())]
    return table
