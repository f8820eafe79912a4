"""The 12 assertions on orders as a suite: FILE STORE trust|read."""

import sys
from datetime import date

from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, check


@check(name="Orders", datasets=["orders"])
def orders(mp, ctx):
    def assert_that(actual, name):
        return ctx.assert_that(actual).where(name=name)

    assert_that(mp.num_rows(), "there are orders").is_positive()
    assert_that(mp.null_count("order_id"), "every order has an id").is_zero()
    assert_that(mp.duplicate_count(["order_id"]), "ids are unique").is_zero()
    assert_that(mp.null_count("email") / mp.num_rows(), "email known").is_lt(0.05)
    assert_that(mp.minimum("price"), "no negative price").is_geq(0)
    assert_that(mp.maximum("price"), "no price beyond 500").is_leq(500)
    assert_that(mp.average("price"), "usual mean price").is_between(200, 300)
    assert_that(mp.sum("price"), "there is turnover").is_positive()
    assert_that(mp.stddev("price"), "usual spread of prices").is_lt(200)
    statuses = ["new", "paid", "shipped", "returned", "cancelled"]
    assert_that(mp.not_in_count("status", statuses), "known status").is_zero()
    assert_that(mp.unique_count("country"), "at most 20 countries").is_leq(20)
    assert_that(mp.minimum("quantity"), "quantity from 1").is_geq(1)
    assert_that(mp.maximum("quantity"), "quantity to 100").is_leq(100)


path, store, trust = sys.argv[1:]
suite = VerificationSuite([orders], MetricDB(f"sqlite:///{store}"), "orders")
source = DataSource.from_parquet(path, trust_statistics=trust == "trust")
run = suite.run({"orders": source}, ResultKey(date(2024, 12, 31), {"env": "bench"}))
sys.exit(run.exit_code)
