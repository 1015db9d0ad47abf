#!/usr/bin/env python3
"""One query over several GPUs of one host, a process for each: tables in Markdown as rows come, and all figures in
several_gpus.json.

    bench/several_gpus.py --coronet build/cuda/coronet                         all that is asked
    bench/several_gpus.py --cases mlp16384,domains --ways rows,fsdp --gpus 1,4,8
    bench/several_gpus.py --device cpu --cases mlp256,domains --seconds 3      a dry run: ranks on the CPU, 1 and 2
    bench/several_gpus.py --plans plans.json --only-plans                      plans need no GPU: made before, elsewhere

Cases: mlpW is alpha-CROWN of all rows of a random MLP 784-W-W-W-W-10 (bench/make_mlp.py; any width W), mlp32768 with
8 GiB a GPU and shared weights only; resnet_4b is that of cifar10_resnet; domains are branch and bound of mnist 256x6
prop_1_0.03 and of sri_resnet_a until their time is up, the root's bounds in that time.

Ways:
    rows     --weights replicated: every GPU has all weights, rows are dealt
    fsdp     --weights fsdp: weights are shared and rows are dealt. This is "FSDP" and "rows + FSDP" in one: ranks that
             share weights share rows too; that one bounds and the others only hold weights does not exist
    tensor   --mesh tensor=P: neurons are shared, exactly
    zones    the same, with interval bounds inside of as many zones as the network has (--zones)

One GPU is always run: rows and fsdp are compared with their own way on one, tensor and zones with rows on one. Where that
does not fit, bits are compared with the fewest GPUs on which it does.

Columns: *at rest* is the most of any rank's weights (its part of them; under fsdp convolutions are whole on every GPU
beside that); *most* what any GPU held at most (--device cpu: resident bytes of a process); *s* the bounds of all nodes
and of the property. *Not hidden* is the largest share, over ranks, of their busy time in which they waited for weights
(fsdp; what bringing their parts took before counts too) or for what others tell (tensor, zones; in brackets over what);
ranks that share rows tell each other bounds alone, which is not timed. *Planned* is `coronet plan` of the same options, loading left out; of neurons that GPUs share there is
none. *Bits* compares all arrays of --npz. MB are 1e6 bytes.

NumPy is needed for comparing, and for making MLPs.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from rank_processes import run_ranks
from rows.common import find
from rows.gpu import RESNET_4B, files_of

HERE = pathlib.Path(__file__).resolve().parent
WAYS = ("rows", "fsdp", "tensor", "zones")
GIB8 = 8192  # MiB a GPU that 784-32768x4 is asked with
OUT_OF_MEMORY = 4

# name, network, property, seconds, options
SEARCHES = [
    ("mnist 256x6", "mnist_fc/onnx/mnist-net_256x6.onnx", "mnist_fc/vnnlib/prop_1_0.03.vnnlib", 15,
     ["--no-refine", "--no-attack", "--branch-iterations", "20"]),
    ("sri_resnet_a 2806", "sri_resnet_a/onnx/resnet_3b2_bn_mixup_adv_4.0_bs128_lr-1.onnx",
     "sri_resnet_a/vnnlib/cifar10_spec_idx_2806_eps_0.00350.vnnlib", 12, ["--no-refine"]),
]


@dataclasses.dataclass
class Case:
    name: str
    which: tuple              # as rows.gpu.files_of has it
    zones: int                # pairs of dense layers that can be zones
    ways: tuple = WAYS
    memory_mib: int = 0       # of each GPU; 0: what is free


def case_of(name):
    mlp = re.fullmatch(r"mlp(\d+)", name)
    if mlp and int(mlp[1]) == 32768:
        return Case(name, (32768, 4), 2, ("fsdp",), GIB8)
    if mlp:
        return Case(name, (int(mlp[1]), 4), 2)
    if name == "resnet_4b":
        return Case(name, RESNET_4B, 1)
    sys.exit(f"--cases: {name} is none of mlpW, resnet_4b, domains")


class Table:
    def __init__(self, titles):
        print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles), flush=True)
        self.columns = len(titles)

    def row(self, cells):
        """Cells that are missing stay empty."""
        cells = [str(cell).replace("|", "/") for cell in cells]
        print("| " + " | ".join(cells + [""] * (self.columns - len(cells))) + " |", flush=True)


def count_of_gpus():
    if not shutil.which("nvidia-smi"):
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return sum(line.startswith("GPU ") for line in listed.splitlines())


# --- runs

def ranks_of(args, command, gpus, json_file, rest):
    """The command of each rank; the leader alone writes files."""
    device = (lambda rank: f"cuda:{rank}") if args.device == "cuda" else (lambda rank: "cpu")
    return [[args.coronet, command, *rest, "--device", device(rank), *(["--json", str(json_file)] if rank == 0 else [])]
            for rank in range(gpus)]


def run(args, command, gpus, rest, leader=(), good=(0,)):
    """(what rank 0 wrote, None) or (None, why not)"""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.json"
        commands = ranks_of(args, command, gpus, out, rest)
        commands[0] += leader
        # NCCL forms no sums here, so that NVLink's multicast brings nothing; some hosts lack it.
        ended = run_ranks(commands, args.limit, good, env={"NCCL_NVLS_ENABLE": "0"}, listen=True)
        if not ended.failed:
            return json.loads(out.read_text()), None
        if all(code is None or code in good for code in ended.codes):
            return None, f"did not end: still running after {args.limit:g} s {ended.words}".strip()
        codes = ", ".join("ended" if code is None else str(code) for code in ended.codes)
        return None, f"did not end: {ended.words or 'no words'} (exit codes {codes})"


def options_of(args, case, way, gpus):
    """Those of `coronet bounds` and `coronet plan`, but for the device."""
    words = ["--threads", str(args.threads), "--method", "alpha", "--iterations", str(args.iterations)]
    words += ["--converged", "0"]
    if way in ("rows", "fsdp"):
        words += ["--weights", "fsdp" if way == "fsdp" else "replicated"]
    else:
        words += ["--mesh", f"tensor={gpus}"]
    if way == "zones":
        words += ["--zones", str(args.zones or case.zones)]
    if case.memory_mib:
        words += ["--device-memory-mib", str(case.memory_mib)]
    if args.chunk_mib:
        words += ["--device-chunk-mib", str(args.chunk_mib)]
    return words


class Plans:
    """Plans by question; made when asked for, kept in a file if there is one."""

    def __init__(self, args):
        self.args = args
        self.file = args.plans
        self.made = json.loads(self.file.read_text()) if self.file and self.file.exists() else {}

    def of(self, case, files, way, gpus):
        """{peak_bytes, seconds} without loading, or {refused, code}."""
        rest = [*options_of(self.args, case, way, gpus), "--device", self.args.device, "--ranks", str(gpus)]
        rest += ["--link", "tcp"] if gpus > 1 else []
        key = " ".join([case.name, *rest])
        if key not in self.made:
            plan = self.make([self.args.coronet, "plan", *files, *rest])
            # What fails for another reason than memory may do so here only.
            if plan.get("code", OUT_OF_MEMORY) != OUT_OF_MEMORY:
                return plan
            self.made[key] = plan
            if self.file:
                write(self.file, self.made)
        return self.made[key]

    def make(self, command):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "plan.json"
            try:
                done = subprocess.run([*command, "--json", str(out)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True, timeout=self.args.limit, check=False)
            except subprocess.TimeoutExpired:
                return {"refused": f"no plan after {self.args.limit:g} s", "code": None}
            if done.returncode != 0:
                return {"refused": " ".join(done.stderr.split()), "code": done.returncode}
            plan = json.loads(out.read_text())
            return {"peak_bytes": plan["peak_bytes"],
                    "seconds": sum(p["seconds"] for p in plan["phases"] if p["name"] != "load")}


def write(path, what):
    """A file is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(what, indent=1) + "\n")
    os.replace(part, path)


# --- figures of a run

def rest_bytes(found, way):
    """The most weights that any rank has at rest."""
    ranks = found.get("ranks", [])
    if not ranks:
        return found["counted_memory"]["weights"]["now"]
    if way in ("rows", "fsdp"):
        return max(rank["weight_bytes"] for rank in ranks)
    # That of ranks which share neurons has packed copies in it.
    return max(rank["memory"].get("weights", {}).get("now") or rank["weight_bytes"] for rank in ranks)


def most_bytes(found, device):
    ranks = found.get("ranks", [])
    if device == "cpu":
        return max([found["memory"], *(rank["peak_bytes"] for rank in ranks)])
    # Ranks that share neurons have no classes of device memory, one rank has nothing else.
    return max([found.get("device_memory", {}).get("total", 0), *(rank.get("device_bytes", 0) for rank in ranks)])


def waited_share(found, way):
    """None where nothing is timed."""
    key = {"fsdp": "fetch_seconds", "tensor": "collective_seconds", "zones": "collective_seconds"}.get(way)
    shares = [rank[key] / rank["busy_seconds"] for rank in found.get("ranks", [])
              if key in rank and rank["busy_seconds"] > 0]
    return max(shares, default=None)


def load_npz(path):
    import numpy as np
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def difference(mine, its):
    """(same bits, the farthest of any bound, relative to its node's largest)"""
    import numpy as np
    if mine.keys() != its.keys():
        return False, float("inf")
    if all(mine[k].shape == its[k].shape and mine[k].tobytes() == its[k].tobytes() for k in its):
        return True, 0.0
    worst = 0.0
    for key, array in its.items():
        if mine[key].shape != array.shape:
            return False, float("inf")
        if array.size and mine[key].tobytes() != array.tobytes():
            off = np.abs(np.where(mine[key] == array, 0.0, mine[key] - array)).max()
            size = max(1e-3, float(np.abs(array[np.isfinite(array)]).max(initial=0.0)))
            worst = max(worst, float(off) / size) if np.isfinite(off) else float("inf")
    return False, worst


def outputs_width(arrays):
    last = max(int(name[3:]) for name in arrays if name.startswith("lo_"))
    return float((arrays[f"hi_{last}"] - arrays[f"lo_{last}"]).mean())


# --- bounds

BOUNDS_TITLES = ["case", "way", "GPUs", "at rest, MB", "most, MB", "s", "speed-up", "efficiency", "not hidden",
                 "planned, MB", "off", "planned, s", "off", "bits"]


def percent(share, form=".0f"):
    return "" if share is None else f"{100 * share:{form}} %"


def number(value, form, scale=1.0):
    return "" if value is None else f"{value / scale:{form}}"


@dataclasses.dataclass
class Reference:
    """The fewest GPUs of a way that ended: what others are compared with."""
    gpus: int
    seconds: float
    arrays: dict


def compare(entry, arrays, reference):
    """Adds what only a comparison tells."""
    if reference is None:
        return
    if reference.gpus == 1:
        entry["speed_up"] = reference.seconds / entry["seconds"]
        entry["efficiency"] = entry["speed_up"] / entry["gpus"]
    entry["compared_with"] = reference.gpus
    entry["same_bits"], entry["difference"] = difference(arrays, reference.arrays)
    entry["outputs_wider"] = outputs_width(arrays) / outputs_width(reference.arrays)


def bits_words(entry):
    if "same_bits" not in entry:
        return ""
    beside = "" if entry["compared_with"] == 1 else f" (beside {entry['compared_with']} GPUs)"
    if entry["way"] == "zones":
        return f"outputs {entry['outputs_wider']:.4g} times as wide{beside}"
    if entry["same_bits"]:
        return "same bits" + beside
    return f"differ by up to {entry['difference']:.1e} of the node's largest{beside}"


def add_plan(entry, plan):
    if plan is None or "refused" in plan:
        entry["plan_refused"] = plan and plan["refused"]
        return
    entry["planned_bytes"], entry["planned_seconds"] = plan["peak_bytes"], plan["seconds"]
    if "seconds" in entry:
        entry["bytes_off"] = plan["peak_bytes"] / max(1, entry["most_bytes"]) - 1
        entry["seconds_off"] = plan["seconds"] / entry["seconds"] - 1


def bounds_cells(entry):
    link = entry.get("found", {}).get("device_link")
    cells = [entry["case"], f"{entry['way']} ({link})" if link else entry["way"], entry["gpus"]]
    if "error" in entry:
        return [*cells, entry["error"]]
    planned = [number(entry.get("planned_bytes"), ".1f", 1e6), percent(entry.get("bytes_off"), "+.1f"),
               number(entry.get("planned_seconds"), ".2f"), percent(entry.get("seconds_off"), "+.0f")]
    if entry.get("plan_refused"):
        planned = ["not planned", "", "", ""]
    return [*cells, number(entry.get("rest_bytes"), ".1f", 1e6), number(entry.get("most_bytes"), ".1f", 1e6),
            number(entry.get("seconds"), ".2f"), number(entry.get("speed_up"), ".2f"), percent(entry.get("efficiency")),
            percent(entry.get("not_hidden")), *planned, bits_words(entry)]


def bound(args, case, files, way, gpus, plan, reference):
    """(entry, arrays or None) of one run."""
    entry = {"case": case.name, "way": way, "gpus": gpus}
    if plan and plan.get("code") == OUT_OF_MEMORY:
        entry["error"] = "does not fit, by its plan: " + plan["refused"].partition(" What would help")[0]
        return entry, None
    if args.only_plans:
        add_plan(entry, plan)
        return entry, None
    with tempfile.TemporaryDirectory() as folder:
        npz = pathlib.Path(folder) / "bounds.npz"
        found, error = run(args, "bounds", gpus, [*files, *options_of(args, case, way, gpus)], ["--npz", str(npz)])
        if error:
            entry["error"] = error
            return entry, None
        arrays = load_npz(npz)
    entry |= {"rest_bytes": rest_bytes(found, way), "most_bytes": most_bytes(found, args.device),
              "seconds": found["seconds"] + found["row_seconds"], "not_hidden": waited_share(found, way),
              "timed_out": found["timed_out"]}
    add_plan(entry, plan)
    compare(entry, arrays, reference)
    raw = ("nodes", "rows", "input_order", "output_order")
    entry["found"] = {key: value for key, value in found.items() if key not in raw}
    return entry, arrays


def runs_of(case, ways, gpus):
    """(way, GPUs), what others are compared with first."""
    runs = []
    for way in (way for way in ways if way in case.ways):
        base = way if way in ("rows", "fsdp") else "rows"
        for run_of in [(base, 1), *((way, n) for n in gpus if n > 1)]:
            if run_of not in runs:
                runs.append(run_of)
    return runs


def bounds_table(args, entries, keep):
    table = Table(BOUNDS_TITLES)
    plans = Plans(args)
    for case in args.bounds_cases:
        files = files_of(args, case.which)
        if files is None:
            table.row([case.name, "", "", "not there: neither found in the pack nor made"])
            continue
        references = {}
        for way, gpus in runs_of(case, args.ways, args.gpus):
            plan = None if args.no_plans else plans.of(case, files, way, gpus)
            base = way if way in ("rows", "fsdp") else "rows"
            entry, arrays = bound(args, case, files, way, gpus, plan, references.get(base))
            if arrays is not None and way == base and base not in references:
                references[base] = Reference(gpus, entry["seconds"], arrays)
            entries.append(entry)
            table.row(bounds_cells(entry))
            keep()


# --- domains

DOMAINS_TITLES = ["search", "GPUs", "domains", "efficiency", "of each GPU", "handed over", "waited, s",
                  "most, MB", "ended"]


def domains_entry(args, search, gpus, one):
    """What a verification bounded until its time was out."""
    name, network, query, seconds, options = search
    entry = {"search": name, "gpus": gpus}
    seconds = args.seconds or seconds
    rest = [network, query, *options, "--threads", str(args.threads), "--timeout", str(seconds), "--quiet"]
    found, error = run(args, "verify", gpus, rest, good=(0, 10, 11))
    if error:
        return entry | {"error": error}
    ranks = found.get("ranks", [])
    entry |= {"domains": found["domains"], "seconds": found["seconds"], "verdict": found["verdict"],
              "of_each": [rank["domains"] for rank in ranks], "handed_over": sum(r["handed_over"] for r in ranks),
              "waited": max((rank["waited_seconds"] for rank in ranks), default=None),
              "most_bytes": max([found["memory"].get("device total", 0), *(r.get("device_bytes", 0) for r in ranks)]) or None,
              "found": {key: value for key, value in found.items() if key not in ("clauses", "property")}}
    # A search that is over before its time says nothing about how many domains there could have been.
    if found["verdict"] == "timeout" and one and one.get("verdict") == "timeout" and one["domains"]:
        entry["efficiency"] = entry["domains"] / (gpus * one["domains"])
    return entry


def domains_cells(entry):
    cells = [entry["search"], entry["gpus"]]
    if "error" in entry:
        return [*cells, entry["error"]]
    whole = max(1, sum(entry["of_each"]))
    shares = [100 * n / whole for n in entry["of_each"]]
    return [*cells, f"{entry['domains']:,}", percent(entry.get("efficiency")),
            f"{min(shares):.0f} to {max(shares):.0f} %" if shares else "", f"{entry['handed_over']:,}" if shares else "",
            number(entry["waited"], ".2f"), number(entry["most_bytes"], ".0f", 1e6),
            f"{entry['verdict']} after {entry['seconds']:.1f} s"]


def domains_table(args, entries, keep):
    table = Table(DOMAINS_TITLES)
    for name, network, query, seconds, options in SEARCHES:
        files = [find(args.pack / network), find(args.pack / query)]
        if None in files:
            table.row([name, "", "not in the pack"])
            continue
        one = None
        for gpus in sorted({1, *args.gpus}):
            entry = domains_entry(args, (name, *files, seconds, options), gpus, one)
            if gpus == 1 and "error" not in entry:
                one = entry
            entries.append(entry)
            table.row(domains_cells(entry))
            keep()


# --- what is asked

def only(entries, **wanted):
    return [e for e in entries if all(e.get(key) == value for key, value in wanted.items())]


def efficiency_words(entries, of, least=0.85, asked=8):
    """Of the asked number of GPUs, and of fewer where these are what was run."""
    known = [(e["gpus"], e["efficiency"]) for e in entries if e["gpus"] > 1 and "efficiency" in e]
    words = ", ".join(f"{percent(share)} at {gpus}" for gpus, share in known) or "not run"
    at = [share for gpus, share in known if gpus == asked]
    failed = [f"{e['gpus']}: {e['error']}" for e in entries if "error" in e]
    verdict = ("ok" if at[0] >= least else "short") if at else f"{asked} not run"
    return [of, f"{percent(least)} at {asked}", "; ".join([words, *failed]), verdict]


def bits_asked(bounds):
    asked = [e for e in bounds if e["way"] in ("rows", "fsdp") and e["gpus"] > 1]
    of = [e for e in asked if e.get("compared_with") == 1]
    failed = sum("error" in e for e in asked)
    same = sum(e["same_bits"] for e in of)
    if not of and not failed:
        return ["rows and fsdp against one GPU", "the same bits", "not run", ""]
    words = f"{same} of {len(of)} runs" + (f"; {failed} more failed or did not fit" if failed else "")
    return ["rows and fsdp against one GPU", "the same bits", words,
            "ok" if same == len(of) and not failed else "short"]


def large_asked(bounds):
    line = ["784-32768x4, 8 GiB a GPU, on 4", "verified bounds"]
    runs = only(bounds, case="mlp32768", way="fsdp", gpus=4)
    if not runs or ("error" not in runs[0] and "seconds" not in runs[0]):
        return [*line, "not run", ""]
    if "error" in runs[0]:
        return [*line, runs[0]["error"], "short"]
    good = not runs[0]["timed_out"] and runs[0]["most_bytes"] <= GIB8 * 2**20
    return [*line, f"{runs[0]['seconds']:.1f} s, {runs[0]['most_bytes'] / 1e6:.0f} MB", "ok" if good else "short"]


def plan_asked(bounds, key, of, within):
    offs = [abs(e[key]) for e in bounds if key in e]  # of runs that ended
    if not offs:
        return [of, f"within {percent(within)}", "not run", ""]
    good = sum(off <= within for off in offs)
    return [of, f"within {percent(within)}", f"{good} of {len(offs)} runs, farthest {percent(max(offs), '.1f')}",
            "ok" if good == len(offs) else "short"]


def asked_table(bounds, domains):
    table = Table(["check", "asked", "measured", ""])
    table.row(efficiency_words(only(bounds, case="mlp16384", way="fsdp"), "rows + FSDP, 784-16384x4"))
    table.row(efficiency_words(only(domains, search=SEARCHES[0][0]), "domains, mnist 256x6"))
    table.row(bits_asked(bounds))
    table.row(large_asked(bounds))
    table.row(plan_asked(bounds, "bytes_off", "planned memory", 0.05))
    table.row(plan_asked(bounds, "seconds_off", "planned time", 0.25))


# --- the program

def arguments():
    shared = pathlib.Path(os.environ.get("CORONET_SHARED", HERE.parent.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coronet", default=str(HERE.parent / "build" / "cuda" / "coronet"), help="the program")
    parser.add_argument("--gpus", default="", help="how many, as 1,2,4,8; by default as many of these as the host has")
    parser.add_argument("--cases", default="mlp8192,mlp16384,mlp32768,resnet_4b,domains")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "out", help="networks and several_gpus.json")
    parser.add_argument("--pack", type=pathlib.Path, default=shared / "vnncomp", help="folder of the benchmarks")
    parser.add_argument("--threads", type=int, default=0,
                        help="of each rank, the same for any number of GPUs; 0: cores / most GPUs")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: a dry run")
    parser.add_argument("--iterations", type=int, default=20, help="of alpha-CROWN")
    parser.add_argument("--zones", type=int, default=0, help="0: as many as the network has")
    parser.add_argument("--chunk-mib", type=float, default=0, help="--device-chunk-mib; 0: the program's own")
    parser.add_argument("--seconds", type=float, default=0, help="of a search; 0: 15 and 12")
    parser.add_argument("--limit", type=float, default=900, help="seconds of a run, of a plan, of making a network")
    parser.add_argument("--plans", type=pathlib.Path, help="file of plans: what it has (of the same options, --threads "
                        "among them) is not made again, the rest is added; for one build of the program")
    parser.add_argument("--only-plans", action="store_true", help="nothing else is run")
    parser.add_argument("--no-plans", action="store_true")
    args = parser.parse_args()
    args.bench_limit = args.limit  # for rows.gpu.files_of
    there = count_of_gpus() if args.device == "cuda" and not args.only_plans else 2
    args.gpus = [int(n) for n in args.gpus.split(",")] if args.gpus else [n for n in (1, 2, 4, 8) if n <= there]
    args.ways = args.ways.split(",")
    if not args.gpus or min(args.gpus) < 1:
        parser.error("--gpus: no GPU here; --device cpu is for dry runs")
    if not set(args.ways) <= set(WAYS):
        parser.error(f"--ways: of {', '.join(WAYS)}")
    if not args.threads:
        args.threads = max(1, len(os.sched_getaffinity(0)) // max(args.gpus))
    names = args.cases.split(",")
    args.domains = "domains" in names and not args.only_plans
    args.bounds_cases = [case_of(name) for name in names if name != "domains"]
    return args


def setting(args):
    """What was run on, for who reads the figures later."""
    version = subprocess.run([args.coronet, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    cards = []
    if args.device == "cuda" and shutil.which("nvidia-smi"):
        listed = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], stdout=subprocess.PIPE,
                                text=True, check=False).stdout
        cards = listed.split("\n")[:-1]
    return {"date": datetime.date.today().isoformat(), "program": "coronet " + version.split("\n")[0],
            "device": args.device, "cards": cards, "threads": args.threads, "iterations": args.iterations, "chunk_mib": args.chunk_mib}


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    result = {"setting": setting(args), "bounds": [], "domains": []}

    def keep():
        write(args.out / "several_gpus.json", result)

    cards = result["setting"]["cards"]
    machine = ", ".join(f"{cards.count(card)} {card}" for card in sorted(set(cards))) or args.device
    print(f"{machine}; {result['setting']['program']}; "
          f"{args.threads} threads a rank; alpha-CROWN of {args.iterations} iterations\n")
    if args.bounds_cases:
        bounds_table(args, result["bounds"], keep)
        print()
    if args.domains:
        domains_table(args, result["domains"], keep)
        print()
    asked_table(result["bounds"], result["domains"])
    keep()


if __name__ == "__main__":
    main()
