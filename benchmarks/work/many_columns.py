"""COLUMNS columns with three metrics each, and as a bare query: FILE STORE COLUMNS. Prints seconds."""

import json
import sys
import time
from datetime import date

import duckdb

from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, check

path, store, n_columns = sys.argv[1], sys.argv[2], int(sys.argv[3])


@check(name="Wide", datasets=["wide"])
def wide(mp, ctx):
    for i in range(n_columns):
        ctx.assert_that(mp.null_count(f"c{i}")).where(name=f"c{i} known").is_geq(0)
        ctx.assert_that(mp.average(f"c{i}")).where(name=f"c{i} mean").is_between(-10, 10)
        ctx.assert_that(mp.maximum(f"c{i}")).where(name=f"c{i} maximum").is_leq(10)


each = "count(*) - count(c{0}), avg(c{0}), max(c{0})"
wanted = ", ".join(each.format(i) for i in range(n_columns))
source = DataSource.from_parquet(path)
VerificationSuite([wide], MetricDB(f"sqlite:///{store}"), "warm").run(
    {"wide": source}, ResultKey(date(2024, 1, 1))
)
suite = VerificationSuite([wide], MetricDB(f"sqlite:///{store}"), "wide")
started = time.perf_counter()
connection = duckdb.connect()
connection.execute(f"SELECT {wanted} FROM '{path}'").fetchone()
raw_s = time.perf_counter() - started
started = time.perf_counter()
run = suite.run({"wide": source}, ResultKey(date(2024, 1, 1), {"env": "bench"}))
run_s = time.perf_counter() - started
assert run.passed
print(json.dumps({"run_s": run_s, "raw_s": raw_s, "scan_s": run.datasets[0].scan_duration_s}))
