#!/usr/bin/env python3
"""Planned beside measured: runs `coronet plan` and `coronet bounds` on the same questions and
prints a table in Markdown.

    bench/plan_accuracy.py [--net NAME=FILE.onnx,FILE.vnnlib]... [--place fsdp]... [--ranks 1,2,4]

Ranks are processes of this host, joined over RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. Measured is the most that
any of them had resident, and what the run's ledger counted at most on any rank. Times are those of `coronet bounds`.
"""

import argparse
import itertools
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

MIB = 2**20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def arguments_of(case):
    words = [*case["files"], "--threads", str(case["threads"]), "--method", case["method"], "--weights", case["place"]]
    if case["method"] == "alpha":
        words += ["--iterations", str(case["iterations"])]
    return words


def planned(binary, case, out):
    link = ["--link", "tcp"] if case["ranks"] > 1 else []
    words = [binary, "plan", *arguments_of(case), *link, "--ranks", str(case["ranks"]), "--json", out]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    plan = json.loads(pathlib.Path(out).read_text())
    return plan["peak_bytes"], plan["seconds"]


def measured(binary, case, out, limit):
    """(the most resident bytes of a rank, the most that one counted, seconds)"""
    port = str(free_port())
    processes = []
    for rank in range(case["ranks"]):
        env = dict(os.environ)
        if case["ranks"] > 1:
            env |= {"RANK": str(rank), "WORLD_SIZE": str(case["ranks"])}
            env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        words = [binary, "bounds", *arguments_of(case)] + (["--json", out] if rank == 0 else [])
        processes.append(subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL))
    try:
        for process in processes:
            if process.wait(limit) != 0:
                return None
    except subprocess.TimeoutExpired:
        return None
    finally:
        for process in processes:
            process.kill()
            process.wait()
    found = json.loads(pathlib.Path(out).read_text())
    seconds = found["seconds"] + found["row_seconds"]
    if case["ranks"] == 1:
        return found["memory"], found["counted_memory"]["all"]["most"], seconds
    ranks = found["ranks"]
    return max(r["peak_bytes"] for r in ranks), max(r["memory"]["all"]["most"] for r in ranks), seconds


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
    parser.add_argument("--limit", type=float, default=600, help="seconds of a run")
    a = parser.parse_args()
    print("| network | method | weights | ranks | threads | planned, MiB | counted | peak | planned less peak "
          "| planned, s | took, s |\n|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        out = str(pathlib.Path(folder) / "out.json")
        for net, method, place, ranks, threads in itertools.product(
                a.net, a.method.split(","), a.place.split(","), a.ranks.split(","), a.threads.split(",")):
            name, files = net.split("=", 1)
            case = {"files": files.split(","), "method": method, "place": place, "ranks": int(ranks),
                    "threads": int(threads), "iterations": a.iterations}
            plan, plan_seconds = planned(a.coronet, case, out)
            row = f"| {name} | {method} | {place} | {ranks} | {threads} | {plan / MIB:.1f} "
            found = measured(a.coronet, case, out, a.limit)
            if found is None:
                print(row + "| | did not end | | | |", flush=True)
                continue
            peak, counted, seconds = found
            off = plan / peak - 1
            worst = max(worst, abs(off))
            print(row + f"| {counted / MIB:.1f} | {peak / MIB:.1f} | {100 * off:+.1f} % | {plan_seconds:.2f} "
                  f"| {seconds:.2f} |", flush=True)
    print(f"\nfarthest: {100 * worst:.1f} %", file=sys.stderr)


if __name__ == "__main__":
    main()
