"""What all rows need: settings, files of the pack, processes with their time and memory, lines of the table."""

import dataclasses
import gzip
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Settings:
    pack: pathlib.Path       # folder of the benchmarks
    reference: pathlib.Path  # folder of the reference bounds
    build: pathlib.Path      # folder of the binaries
    out: pathlib.Path        # where results and made files go
    threads: int
    device: str              # of throughput; "": the CPU
    jobs: int                # verifications at a time
    known: bool              # only instances with a published answer
    quick: bool
    timeout: float           # of a verification, seconds
    limit: int               # instances of each benchmark; 0: all
    benchmarks: list         # names; empty: all
    cases: list              # reference cases; empty: all
    runs: int                # of a timing; 0: as each row has it
    reuse: str               # which earlier verdicts count
    bench_limit: float       # seconds for one run of a program that is no verification
    converged: str           # of alpha-CROWN; "": the program's own
    commit: str

    @property
    def coronet(self):
        return str(self.build / "coronet")

    @property
    def alpha_bench(self):
        return str(self.build / "bench" / "alpha_bench")

    def count(self, usual, quick=1):
        """Runs of a timing."""
        return self.runs or (quick if self.quick else usual)


@dataclasses.dataclass
class Line:
    """One line of the table. good: None where nothing was measured, or all that was measured is for information."""
    row: str
    asked: str
    measured: str
    good: bool | None = None


@dataclasses.dataclass
class Run:
    code: int | None  # None: ended by us at the limit
    wall: float
    cpu: float
    peak_mib: float   # of the process alone where it was watched, else at least the size of this one
    out: str
    err: str

    def json(self):
        """The object that the program printed last; None if it did not."""
        lines = self.out.strip().splitlines()
        try:
            return json.loads(lines[-1]) if lines else None
        except ValueError:
            return None


def peak_of(pid):
    """Peak resident MiB of a live process; 0 if it has none."""
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    return 0.0


def run(command, limit, watch=0.0, cwd=None):
    """Runs a command and waits for it. watch > 0: reads its peak memory each so many seconds, from the process itself."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd)
        ended = threading.Event()
        state = {"cut": False, "peak": 0.0}
        lock = threading.Lock()  # the process is not reaped while its number is used

        def guard():
            end = begin + limit
            while not ended.wait(max(0.0, min(watch or limit, end - time.monotonic()))):
                with lock:
                    if ended.is_set():
                        return
                    if watch:
                        state["peak"] = max(state["peak"], peak_of(process.pid))
                    if time.monotonic() >= end:
                        state["cut"] = True
                        os.kill(process.pid, signal.SIGKILL)
                        return

        watcher = threading.Thread(target=guard, daemon=True)
        watcher.start()
        try:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except BaseException:
            with lock:
                os.kill(process.pid, signal.SIGKILL)
            raise
        finally:
            wall = time.monotonic() - begin
            with lock:
                ended.set()
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            watcher.join()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Run(code=None if state["cut"] else process.returncode, wall=wall, cpu=usage.ru_utime + usage.ru_stime,
               peak_mib=state["peak"] if watch else usage.ru_maxrss / 1024, out=texts[0], err=texts[1])


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def find(path):
    """A file of the pack, which may be there as X.gz; None if it is not there at all."""
    path = pathlib.Path(path)
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.exists():
            return str(candidate)
    return None


def references(settings):
    """{case: its reference}, by name."""
    cases = {}
    for path in sorted(settings.reference.glob("*.json.gz")):
        name = path.name[:-len(".json.gz")]
        if not settings.cases or name in settings.cases:
            with gzip.open(path, "rt") as file:
                cases[name] = json.load(file)
    return cases


def alpha_command(settings, reference, method, iterations, converged=""):
    """alpha_bench on a reference case; None if its files are not there."""
    onnx, vnnlib = find(settings.pack / reference["onnx"]), find(settings.pack / reference["vnnlib"])
    if onnx is None or vnnlib is None:
        return None
    command = [settings.alpha_bench, onnx, vnnlib, "--json", "--label", str(reference["label"]), "--method", method,
               "--iterations", str(iterations), "--threads", str(settings.threads)]
    converged = converged or settings.converged
    return command + (["--converged", converged] if converged else [])


def shortfall(reference, key, ours):
    """(ok, by how much the worst row is looser than theirs, in words), by the rule of the reference bounds."""
    theirs, crown, best = reference[key], reference["crown"], reference["alpha_100"]
    if len(ours) != len(theirs):
        return False, f"{len(ours)} rows for {len(theirs)}"
    optimised = key.startswith("alpha")
    worst, good = float("-inf"), True
    for o, t, c, b in zip(ours, theirs, crown, best):
        # theirs are float32 for alpha: their own rounding is the second term
        slack = 1e-3 * abs(b - c) + 1e-6 * abs(t) if optimised else 1e-5 * abs(t)
        good &= o is not None and o >= t - slack
        scale = max(abs(b - c) if optimised else abs(t), 1e-30)
        worst = max(worst, (t - o) / scale if o is not None else float("inf"))
    words = f"{100 * worst:+.3f} % of the gap" if optimised else f"{worst:+.1e} relative"
    return good, words
