"""`python -m tests.fuzz --cases 20000`: random input of every kind, until something breaks or nothing does.

Every kind of case runs in a process of its own, which is started again when it dies. Printed for each thing that is
wrong: the kind, and the seed that shows it again (`python -m tests.fuzz --kind KIND --seed SEED --cases 1`). The exit
code is 0 only if nothing was wrong. Not finite output, output above +12 dBFS for input within full scale, exceptions
other than sentences, crashes, and cases that take more than five seconds of processor time are wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from typing import Final

SHARES: Final = {"audio": 0.3, "process": 0.3, "preset": 0.15, "toml": 0.05, "midi-file": 0.1, "midi-bytes": 0.1}
"""Of the cases."""
SECONDS: Final = 5.0
"""Of processor time, of a case and of what it started, above which it counts as hanging."""
_PATIENCE: Final = 300.0
"""Seconds on the clock without a sign of life after which a process is ended: busy machines are slow."""


def work(kind: str, first: int, count: int) -> None:
    """In a process of its own: a line of JSON per case, before and after it."""
    from tests.fuzz.attacks import case

    for seed in range(first, first + count):
        print(json.dumps({"begun": seed}), flush=True)
        before = sum(os.times()[:4])
        try:
            wrong = case(kind, seed)
        except BaseException:
            wrong = traceback.format_exc()
        took = sum(os.times()[:4]) - before
        if wrong is None and took > SECONDS and seed != first:  # the first one loads the model
            wrong = f"took {took:.1f} s of processor time"
        print(json.dumps({"done": seed, "wrong": wrong, "took": round(took, 3)}), flush=True)


def attack(kind: str, first: int, count: int) -> tuple[int, list[tuple[int, str]], float]:
    """Run cases in processes that may die; returns how many were run, what was wrong, and the longest time."""
    import select

    wrong: list[tuple[int, str]] = []
    done, longest, end = 0, 0.0, first + count
    while first < end:
        command = [sys.executable, "-m", "tests.fuzz", "--work", kind]
        command += ["--seed", str(first), "--cases", str(end - first)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        assert process.stdout is not None
        begun, rest, died = first, b"", ""
        while True:
            if not select.select([process.stdout], [], [], _PATIENCE)[0]:
                died = f"gave no sign of life for {_PATIENCE:g} s"
                process.kill()
                break
            data = os.read(process.stdout.fileno(), 65_536)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "begun" in said:
                    begun = said["begun"]
                    continue
                done += 1
                first = said["done"] + 1
                if said["done"] != begun or done > 1:
                    longest = max(longest, said["took"])
                if said["wrong"]:
                    wrong.append((said["done"], said["wrong"]))
                    print(f"WRONG: --kind {kind} --seed {said['done']}: {said['wrong']}", flush=True)
                if done % 500 == 0:
                    print(f"  {kind}: {done} of {count}, {len(wrong)} wrong", flush=True)
        code = process.wait()
        if first < end:
            what = died or f"the process ended with {code}"
            wrong.append((begun, what))
            print(f"WRONG: --kind {kind} --seed {begun}: {what}", flush=True)
            first = begun + 1
            done += 1
    return done, wrong, longest


def main() -> None:
    """Read the command line, attack, and exit with 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="of all kinds together (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first case of every kind (0)")
    parser.add_argument("--kind", choices=SHARES, help="one kind alone")
    parser.add_argument("--work", choices=SHARES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.seed, options.cases)
        return
    began = time.monotonic()
    shares = {options.kind: 1.0} if options.kind else SHARES
    total, bad = 0, 0
    for kind, share in shares.items():
        count = max(1, round(options.cases * share))
        print(f"{kind}: {count} cases, seeds {options.seed} to {options.seed + count - 1}", flush=True)
        done, wrong, longest = attack(kind, options.seed, count)
        print(f"{kind}: {done} cases, {len(wrong)} wrong, the longest took {longest:.2f} s", flush=True)
        total, bad = total + done, bad + len(wrong)
    print(f"{total} cases in {time.monotonic() - began:.0f} s: {bad} wrong", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
