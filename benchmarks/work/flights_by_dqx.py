"""The flights of the demo checked by a suite: FILE STORE."""

import sys
from datetime import date

from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, check


@check(name="Flights", datasets=["flights"])
def flights(mp, ctx):
    def assert_that(actual, name):
        return ctx.assert_that(actual).where(name=name)

    rows = mp.num_rows()
    assert_that(rows, "there are flights").is_positive()
    assert_that(mp.null_count("dep_time") / rows, "departure known").is_lt(0.05)
    assert_that(mp.null_count("tailnum") / rows, "tail number known").is_lt(0.02)
    key = ["time_hour", "carrier", "flight", "origin"]
    assert_that(mp.duplicate_count(key), "one row per flight").is_zero()
    assert_that(mp.not_in_count("origin", ["EWR", "JFK", "LGA"]), "from New York").is_zero()
    assert_that(mp.max_length("carrier"), "carrier codes").is_eq(2)
    assert_that(mp.minimum("distance"), "no short hops").is_geq(50)
    assert_that(mp.maximum("dep_delay"), "left within a day").is_leq(1440)
    assert_that(mp.average("dep_delay"), "left in time").is_lt(30)
    assert_that(mp.quantile("dep_delay", 0.95), "most left in time").is_lt(120)
    assert_that(mp.unique_count("carrier"), "known carriers").is_leq(16)
    assert_that(mp.unique_count("dest"), "known destinations").is_lt(120)
    assert_that(mp.stddev("arr_delay"), "usual spread of delays").is_lt(60)
    assert_that(mp.minimum("air_time"), "time in the air").is_positive()
    assert_that(mp.sum("distance"), "distance flown").is_positive()


path, store = sys.argv[1:]
suite = VerificationSuite([flights], MetricDB(f"sqlite:///{store}"), "flights")
run = suite.run({"flights": DataSource.from_parquet(path)}, ResultKey(date(2013, 12, 31), {"env": "bench"}))
sys.exit(run.exit_code)
