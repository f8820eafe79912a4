"""ASSERTIONS assertions over METRICS metrics of one small table: FILE STORE ASSERTIONS METRICS.

Prints what the run took in seconds, and what the same metrics took as one bare query.
"""

import json
import sys
import time
from datetime import date

import duckdb

from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, check

path, store, n_assertions, n_metrics = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


@check(name="Many", datasets=["orders"])
def many(mp, ctx):
    metrics = [mp.count("order_id", where=f"quantity > {i % 100} AND price > {i}") for i in range(n_metrics)]
    for i in range(n_assertions):
        ctx.assert_that(metrics[i % n_metrics]).where(name=f"assertion {i}").is_geq(0)


wanted = ", ".join(
    f"count(CASE WHEN quantity > {i % 100} AND price > {i} THEN order_id END)" for i in range(n_metrics)
)
source = DataSource.from_parquet(path)
VerificationSuite([many], MetricDB(), "warm").run({"orders": source}, ResultKey(date(2024, 1, 1)))
suite = VerificationSuite([many], MetricDB(f"sqlite:///{store}"), "many")

started = time.perf_counter()
connection = duckdb.connect()
connection.execute(f"SELECT {wanted} FROM '{path}'").fetchone()
raw_s = time.perf_counter() - started
started = time.perf_counter()
run = suite.run({"orders": source}, ResultKey(date(2024, 1, 1), {"env": "bench"}))
run_s = time.perf_counter() - started
assert run.passed
print(json.dumps({"run_s": run_s, "raw_s": raw_s, "scan_s": run.datasets[0].scan_duration_s}))
