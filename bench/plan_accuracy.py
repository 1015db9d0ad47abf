#!/usr/bin/env python3
"""Planned beside measured: runs `coronet plan` and `coronet bounds` on the same questions and
prints a table in Markdown.

    bench/plan_accuracy.py --net NAME=FILE.onnx,FILE.vnnlib [--net ...] [--place replicated,fsdp] [--ranks 1,2,4]
    bench/plan_accuracy.py --net ... --place tensor --ranks 2,4          neurons are shared (--mesh tensor=T)
    bench/plan_accuracy.py --net ... --search --seconds 20               `coronet verify` and its search
    bench/plan_accuracy.py --net ... --device cuda [--gpu-chunk-mib 256]

With --search the plan is told what only a run knows: how many neurons the root left unstable, and how many domains were
open in the end. `coronet verify` then has a --memory, so that buffers go back to the system as with several ranks.

Ranks are processes of this host, joined over RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. Measured is the most that
any of them had resident, and what the run's ledger counted at most on any rank; with --device cuda, the most that any
of their GPUs held, and what rank 0's held of each class (A and slopes are not largest together). Times are those of
`coronet bounds`, and planned without loading.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

from rank_processes import run_ranks

MIB = 2**20


def arguments_of(case):
    words = [*case["files"], "--threads", str(case["threads"]), "--method", case["method"]]
    words += ["--mesh", f"tensor={case['ranks']}"] if case["place"] == "tensor" else ["--weights", case["place"]]
    if case["method"] == "alpha":
        words += ["--iterations", str(case["iterations"])]
    words += ["--device", case["device"]]
    if case["device"] != "cpu" and case["chunk"]:
        words += ["--device-chunk-mib", str(case["chunk"])]
    if case["search"]:
        words += ["--memory", "8GiB"]
    return words


def planned(binary, case, out):
    link = ["--link", "tcp"] if case["ranks"] > 1 else []
    words = [binary, "plan", *arguments_of(case), *link, "--ranks", str(case["ranks"]), "--json", out]
    if case["search"]:
        words += ["--search", "--open", str(case["open"] // case["ranks"]), "--unstable", str(case["unstable"])]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return json.loads(pathlib.Path(out).read_text())


def relus(binary, files, out):
    """How many neurons of ReLUs the network has."""
    subprocess.run([binary, "bounds", *files, "--method", "interval", "--box", "0", "--json", out], check=True,
                   stdout=subprocess.DEVNULL)
    return sum(len(node["lo"]) for node in json.loads(pathlib.Path(out).read_text())["nodes"]
               if node["operator"] == "Relu")


def measured(binary, case, out, limit):
    """What rank 0 wrote; None where the run failed or took too long."""
    commands = []
    for rank in range(case["ranks"]):
        words = [binary, "verify" if case["search"] else "bounds", *arguments_of(case)]
        words += ["--timeout", str(case["seconds"]), "--quiet"] if case["search"] else []
        words += ["--converged", case["converged"]] if case["converged"] else []
        words += ["--json", out] if rank == 0 else []
        commands.append(words)
    if run_ranks(commands, limit, (0, 10, 11) if case["search"] else (0,)).failed:
        return None
    return json.loads(pathlib.Path(out).read_text())


def told_by(binary, case, found, out):
    """What only a run knows, for the plan of its search."""
    case["open"] = found["open_domains"]
    case["unstable"] = found["unstable_neurons"] / relus(binary, case["files"], out)


def cpu_found(case, found):
    """(the most resident bytes of a rank, the most that one counted, seconds)"""
    if case["search"]:
        memory = found["memory"]
        peak = max([memory["resident"], *(r["peak_bytes"] for r in found.get("ranks", []))])
        return peak, memory["counted"], sum(p["seconds"] for p in found["phases"])
    if case["ranks"] == 1:
        return found["memory"], found["counted_memory"]["all"]["most"], seconds_of(found)
    ranks = found["ranks"]
    return max(r["peak_bytes"] for r in ranks), max(r["memory"]["all"]["most"] for r in ranks), seconds_of(found)


def seconds_of(found):
    return found["seconds"] + found["row_seconds"]


def cpu_row(case, plan, found):
    """Cells of a table, and how far off the plan was."""
    peak, counted, took = cpu_found(case, found)
    bytes_planned = plan["peak_bytes"]
    off = bytes_planned / peak - 1
    return [f"{bytes_planned / MIB:.1f}", f"{counted / MIB:.1f}", f"{peak / MIB:.1f}", f"{100 * off:+.1f} %",
            f"{plan['seconds']:.2f}", f"{took:.2f}"], abs(off)


CLASSES = ["weights", "A", "alpha and moments", "workspace"]


def gpu_row(case, plan, found):
    """The same of GPUs."""
    counted = found["device_memory"]
    peak = max([counted["total"]] + [r["device_bytes"] for r in found.get("ranks", [])])
    off = plan["peak_bytes"] / peak - 1
    most = {c: max(p["bytes"].get(c, 0) for p in plan["phases"]) for c in CLASSES}
    classes = [f"{most[c] / 1e6:.1f} / {counted.get(c, 0) / 1e6:.1f}" for c in CLASSES]
    seconds = sum(p["seconds"] for p in plan["phases"] if p["name"] != "load")
    took = seconds_of(found)
    return [f"{plan['peak_bytes'] / 1e6:.1f}", f"{peak / 1e6:.1f}", f"{100 * off:+.1f} %", *classes,
            f"{seconds:.2f}", f"{took:.2f}", f"{100 * (seconds / took - 1):+.0f} %"], abs(off)


CPU_TITLES = ["network", "method", "weights", "ranks", "threads", "planned, MiB", "counted", "peak",
              "planned less peak", "planned, s", "took, s"]
GPU_TITLES = ["network", "method", "weights", "ranks", "threads", "planned, MB", "most of any GPU", "planned less most",
              *CLASSES, "planned, s", "took, s", "planned less took"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--coronet", default=str(root / "build" / "release" / "coronet"))
    parser.add_argument("--net", action="append", required=True, metavar="NAME=ONNX,VNNLIB")
    parser.add_argument("--place", default="replicated,fsdp,stream")
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--method", default="crown,alpha")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--converged", default="", help="of coronet bounds; plans of GPUs are of 0")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--gpu-chunk-mib", type=float, default=0)
    parser.add_argument("--search", action="store_true", help="coronet verify instead of coronet bounds")
    parser.add_argument("--seconds", type=float, default=20, help="of a verification")
    parser.add_argument("--limit", type=float, default=600, help="seconds of a run")
    a = parser.parse_args()
    titles = CPU_TITLES if a.device == "cpu" else GPU_TITLES
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles), flush=True)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        out = str(pathlib.Path(folder) / "out.json")
        for net, method, place, ranks, threads in itertools.product(
                a.net, a.method.split(","), a.place.split(","), a.ranks.split(","), a.threads.split(",")):
            name, files = net.split("=", 1)
            case = {"files": files.split(","), "method": method, "place": place, "ranks": int(ranks),
                    "threads": int(threads), "iterations": a.iterations, "converged": a.converged,
                    "device": a.device, "chunk": a.gpu_chunk_mib, "search": a.search, "seconds": a.seconds}
            found = measured(a.coronet, case, out, a.limit)
            if a.search:
                if found is None:
                    continue
                told_by(a.coronet, case, found, out)
            plan = planned(a.coronet, case, out)
            head = f"| {name} | {method} | {place} | {ranks} | {threads} | "
            if found is None:
                print(head + "did not end |", flush=True)
                continue
            cells, off = (cpu_row if a.device == "cpu" else gpu_row)(case, plan, found)
            worst = max(worst, off)
            print(head + " | ".join(cells) + " |", flush=True)
    print(f"\nfarthest: {100 * worst:.1f} %", file=sys.stderr)


if __name__ == "__main__":
    main()
