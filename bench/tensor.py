#!/usr/bin/env python3
"""Bounds by ranks that share neurons (--mesh tensor=T), printed as tables in Markdown. Needs Python 3 alone.

    bench/tensor.py zones [--pack DIR] [--ranks 2] [--method crown] [--limit N] [-- OPTIONS]
    bench/tensor.py memory NET.onnx PROPERTY.vnnlib [--ranks 1,2,4] [--zones 0,1,2] [--by tcp|mpi|threads] [-- OPTIONS]

zones: over all instances of mnist_fc, what the bounds lose with every zone, beside exact sharing (0 zones): widths as
multiples of its, the median instance and the worst.
memory: peaks, what was counted, and what ranks told each other; bounds beside those of one rank.
OPTIONS go to `coronet bounds`.
"""

import argparse
import csv
import json
import os
import pathlib
import sys
import tempfile

from rank_processes import run_ranks

HERE = pathlib.Path(__file__).resolve().parent
MIB = 2**20


def bounds(coronet, files, options, ranks, by):
    """The JSON of one run; exits with its error if it has one."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "bounds.json"
        command = [coronet, "bounds", *files, "--threads", "1", "--json", str(out), *options]
        if by == "mpi" and ranks > 1:
            mpirun = ["mpirun", "-n", str(ranks), "--bind-to", "none", "--oversubscribe", "--allow-run-as-root"]
            command = mpirun + command
        ended = run_ranks([command] * (ranks if by == "tcp" else 1))
        if ended.failed:
            sys.exit(f"{' '.join(command)}: exit codes {ended.codes}")
        return json.loads(out.read_text())


def mesh(ranks, zones):
    return [] if ranks == 1 else ["--mesh", f"tensor={ranks}", "--zones", str(zones)]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def width(node):
    return mean(hi - lo for lo, hi in zip(node["lo"], node["hi"]))


def refuted(result):
    """Is every clause refuted by one of its constraints?"""
    clauses = {}
    for row in result["rows"]:
        clauses[row["clause"]] = clauses.get(row["clause"], False) or row["proves"]
    return all(clauses.values())


def zones_table(args):
    folder = args.pack / "mnist_fc"
    with open(folder / "expected.csv") as file:
        instances = list(csv.DictReader(file))
    print(f"mnist_fc, {' '.join([args.method, *args.options])}, {args.ranks} ranks\n")
    print("| network | instances | zones | outputs' width | hidden layers' width | unstable ReLUs | refuted | "
          "sat, refuted | told a rank | A at most |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, most in (("256x2", 1), ("256x4", 2), ("256x6", 3)):
        chosen = [i for i in instances if name in i["onnx"]][:args.limit or None]
        exact = None
        for zones in range(most + 1):
            results = []
            for i in chosen:
                files = [find(folder / i["onnx"]), find(folder / i["vnnlib"])]
                options = ["--method", args.method, *args.options, *mesh(args.ranks, zones)]
                results.append(bounds(args.coronet, files, options, args.ranks, "threads"))
            exact = exact or results

            def ratio(of):
                ratios = sorted(of(r) / of(e) for r, e in zip(results, exact))
                return f"{ratios[len(ratios) // 2]:.3g} (at most {ratios[-1]:.3g})"

            outputs = ratio(lambda r: width(r["nodes"][-1]))
            hidden = ratio(lambda r: mean(width(n) for n in r["nodes"][1:-1] if n["operator"] != "Relu"))
            unstable = mean(sum(n["unstable"] for n in r["nodes"]) for r in results)
            proved = sum(refuted(r) for r in results)
            wrong = sum(refuted(r) for r, i in zip(results, chosen) if i["expected"] == "sat")
            told = mean(r["ranks"][0]["told_bytes"] for r in results) / MIB
            held = mean(r["ranks"][0]["memory"]["A"]["most"] for r in results) / MIB
            print(f"| {name} | {len(results)} | {zones} | {outputs} | {hidden} | {unstable:.1f} | {proved} | {wrong} | "
                  f"{told:.1f} MiB | {held:.2f} MiB |", flush=True)


def find(path):
    """The pack keeps most files compressed."""
    packed = path.with_name(path.name + ".gz")
    return str(packed if packed.exists() else path)


def difference(result, one):
    """The largest difference from one rank's bounds, relative to the largest bound of the node."""
    worst = 0.0
    for mine, its in zip(result["nodes"], one["nodes"]):
        for side in ("lo", "hi"):
            size = max(1e-3, max(abs(x) for x in its[side]))
            worst = max(worst, max(abs(a - b) for a, b in zip(mine[side], its[side])) / size)
    return worst


def memory_table(args):
    print(f"{pathlib.Path(args.network).name} {' '.join(args.options)}, by {args.by}\n")
    print("| ranks | zones | peak of a rank | less | weights | buffers | A at most | told a rank | collectives | "
          "in them | time | off one rank's bounds | outputs' width |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    one = None
    for ranks in [int(n) for n in args.rank_list.split(",")]:
        for zones in [int(n) for n in args.zones.split(",")] if ranks > 1 else [0]:
            files = [args.network, args.property]
            result = bounds(args.coronet, files, [*args.options, *mesh(ranks, zones)], ranks, args.by)
            one = one or result
            all_ranks = result.get("ranks", [])
            peak = max([r["peak_bytes"] for r in all_ranks] or [result["memory"]]) / MIB
            base = one["memory"] / MIB
            cells = [str(ranks), str(zones), f"{peak:.1f} MiB", f"{100 * (1 - peak / base):.0f} %" if ranks > 1 else ""]
            if all_ranks:
                def most(of):
                    return max(of(r) for r in all_ranks)
                busy = most(lambda r: r["collective_seconds"] / max(1e-9, r["busy_seconds"]))
                cells += [f"{most(lambda r: r['weight_bytes']) / MIB:.1f} MiB",
                          f"{most(lambda r: r['work_bytes']) / MIB:.1f} MiB",
                          f"{most(lambda r: r['memory']['A']['most']) / MIB:.1f} MiB",
                          f"{most(lambda r: r['told_bytes']) / MIB:.0f} MiB",
                          f"{most(lambda r: r['collectives'])}", f"{100 * busy:.0f} %"]
            else:
                def counted(name):
                    return result["counted_memory"][name]["most"] / MIB
                weights = counted("weights") + counted("packed weights")
                cells += [f"{weights:.1f} MiB", "", f"{counted('A'):.1f} MiB", "", "", ""]
            cells += [f"{result['seconds'] + result['row_seconds']:.1f} s",
                      f"{difference(result, one):.1e}" if ranks > 1 else "", f"{width(result['nodes'][-1]):.6g}"]
            print("| " + " | ".join(cells) + " |", flush=True)


def main():
    shared = pathlib.Path(os.environ.get("CORONET_SHARED", HERE.parent.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coronet", default=str(HERE.parent / "build" / "release" / "coronet"), help="the program")
    commands = parser.add_subparsers(required=True)
    zones = commands.add_parser("zones", help="looseness by number of zones, over mnist_fc")
    zones.add_argument("--pack", type=pathlib.Path, default=shared / "vnncomp", help="folder of the benchmarks")
    zones.add_argument("--ranks", type=int, default=2)
    zones.add_argument("--method", default="crown")
    zones.add_argument("--limit", type=int, default=0, help="the first so many instances of each network; 0: all")
    zones.set_defaults(table=zones_table)
    memory = commands.add_parser("memory", help="peaks and letters of one network")
    memory.add_argument("network")
    memory.add_argument("property")
    memory.add_argument("--ranks", dest="rank_list", default="1,2,4")
    memory.add_argument("--zones", default="0")
    memory.add_argument("--by", choices=["tcp", "mpi", "threads"], default="tcp")
    memory.set_defaults(table=memory_table)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    args = parser.parse_args(words[:end])
    args.options = words[end + 1:]
    args.table(args)


if __name__ == "__main__":
    main()
