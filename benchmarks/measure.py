"""Whole processes timed in pairs: A B A B ..., medians, and the median of the ratios pair by pair.

The machines that run this are shared and noisy: a ratio taken in the same round says more than a time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SCRATCH = FOLDER.parent / ".bench"


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a command: wall time in seconds, peak memory in MiB."""

    wall_s: float
    peak_mib: float


def run(command: list[str]) -> Sample:
    """Run a command to its end; raise when it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{errors.decode()}")
    return Sample(wall_s, usage.ru_maxrss / 1024)


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


@dataclass(frozen=True, slots=True)
class Pair:
    """What several rounds of two commands came to: medians, and the median ratio of wall times."""

    a_s: float
    b_s: float
    ratio: float
    ratio_min: float
    ratio_max: float
    a_mib: float
    b_mib: float


def paired(a: list[str], b: list[str], rounds: int = 5) -> Pair:
    """Run two commands in turn, one warm-up round first, and return what `a` takes beside `b`."""
    run(a), run(b)
    samples = [(run(a), run(b)) for _ in range(rounds)]
    ratios = [x.wall_s / y.wall_s for x, y in samples]
    return Pair(
        a_s=median([x.wall_s for x, _ in samples]),
        b_s=median([y.wall_s for _, y in samples]),
        ratio=median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        a_mib=max(x.peak_mib for x, _ in samples),
        b_mib=max(y.peak_mib for _, y in samples),
    )


def python(script: str, *arguments: object) -> list[str]:
    """Return the command that runs one of the scripts in `work`."""
    return [sys.executable, str(FOLDER / "work" / script), *map(str, arguments)]


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    """Print a table as Markdown, the form in which it stands in the documentation."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join("---" for _ in head) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()
