"""Ranks that are processes of this host: started together, waited for, ended together."""

import contextlib
import dataclasses
import os
import socket
import subprocess
import tempfile
import time

# What ranks may take to notice that another one has failed, and the leader to say why.
GRACE = 12.0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclasses.dataclass
class Ended:
    codes: list    # exit codes by rank; None: it was ended from here
    failed: bool   # some code is not among the good ones
    words: str     # last words on standard error of a rank, the leader's first; "" if they were not listened to


def run_ranks(commands, limit=None, good=(0,), env=None, listen=False):
    """Runs a process for each command, joined over RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT where there are several.
    None outlives the call: the rest is killed soon after one has failed, and all of them after `limit` seconds. With
    `listen` standard error is kept for the words, else it is the caller's."""
    port = str(free_port())
    processes = []
    with contextlib.ExitStack() as stack:
        errors = [stack.enter_context(tempfile.TemporaryFile()) if listen else None for _ in commands]
        try:
            for rank, command in enumerate(commands):
                joined = {"RANK": str(rank), "WORLD_SIZE": str(len(commands)), "MASTER_ADDR": "127.0.0.1",
                          "MASTER_PORT": port} if len(commands) > 1 else {}
                processes.append(subprocess.Popen(command, env={**os.environ, **(env or {}), **joined},
                                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                  stderr=errors[rank]))
            codes = wait(processes, limit, good)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        words = next(filter(None, map(tail, errors)), "") if listen else ""
    return Ended(codes, any(code not in good for code in codes), words)


def wait(processes, limit, good):
    """Exit codes; None where a process was still running when time was up."""
    end = float("inf") if limit is None else time.monotonic() + limit
    failed = False
    while True:
        codes = [process.poll() for process in processes]
        if not failed and any(code not in (None, *good) for code in codes):
            failed, end = True, min(end, time.monotonic() + GRACE)
        if None not in codes or time.monotonic() >= end:
            return codes
        time.sleep(0.02)


def tail(file, most=400):
    """The end of what was written, in one line."""
    file.seek(0)
    words = " ".join(file.read().decode(errors="replace").split())
    return words if len(words) <= most else "..." + words[-most:]
