"""What one line of the audit trail costs, beside the bare minimum: dumping, writing and syncing the same bytes.

    python benchmarks/audit.py [FOLDER]

The limit for 1,000 assertions is 15 ms. FOLDER lies on the disk to be measured (default: the system's temporary
one). Both are done in turn, so that a disk that is busy slows both.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import median, table

from dqx.plugins.audit import AuditPlugin
from dqx.testing import assertion_result, context_of, suite_run

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 41
ASSERTIONS = (10, 1_000, 10_000)


def main(folder: Path) -> None:
    logging.getLogger("dqx").setLevel(logging.CRITICAL)  # the trail alone, not the records of the log
    rows = []
    for assertions in ASSERTIONS:
        size, ours, bare = measured(folder, assertions)
        ratio = median([a / b for a, b in zip(ours, bare, strict=True)])
        rows.append(
            [
                f"{assertions:,}",
                f"{size / 1000:,.0f} kB",
                *(f"{1e3 * median(t):.2f} ms" for t in (ours, bare)),
            ]
        )
        rows[-1].append(f"{ratio:.2f}")
    head = ["assertions", "line", "process(), with fsync", "json.dumps, write, fsync", "ratio"]
    table("One line of the audit trail", head, rows)


def measured(folder: Path, assertions: int) -> tuple[int, list[float], list[float]]:
    """Return the length of a line in bytes, and the seconds of each round: the plugin's, and the bare ones."""
    path = folder / f"audit_{assertions}.jsonl"
    run = suite_run(
        assertion_result(
            "FAILURE" if n % 10 == 0 else "SUCCESS",
            check=f"check {n // 10}",
            assertion=f"assertion {n} of a suite that has many of them",
            value=n / 7,
            evaluated_at=datetime(2024, 1, 31, tzinfo=UTC) + timedelta(milliseconds=n),
        )
        for n in range(assertions)
    )
    plugin = AuditPlugin()
    plugin.initialize({"jsonl_file": str(path)})
    results, symbols, context = list(run.results), list(run.symbols), context_of(run)
    plugin.process(results, symbols, run.suite, context)
    line = json.loads(path.read_text())

    fd = os.open(folder / f"bare_{assertions}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(timed(lambda: plugin.process(results, symbols, run.suite, context)))
        bare.append(timed(lambda: write(fd, line)))
    os.close(fd)
    return path.stat().st_size // (ROUNDS + 1), ours, bare


def write(fd: int, line: dict[str, Any]) -> None:
    os.write(fd, json.dumps(line, separators=(",", ":")).encode() + b"\n")
    os.fsync(fd)


def timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as made:
        main(Path(made))
