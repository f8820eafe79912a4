"""Checks on one day of flights, which `make stack` runs every minute."""

from datetime import timedelta

from dqx import MetricDB, VerificationSuite, check


@check(name="The day is complete", datasets=["flights"])
def complete(mp, ctx):
    rows = mp.num_rows(name="flights")
    ctx.assert_that(rows).where(name="flights were recorded", severity="P0").is_positive()
    ctx.assert_that(mp.null_count("dep_time") / rows).where(
        name="departure time known",
        severity="P1",
        runbook_url="https://runbooks.example.net/departure-time-known",
    ).is_lt(0.05)
    ctx.assert_that(mp.null_count("tailnum") / rows).where(name="tail number known", severity="P2").is_lt(
        0.02
    )


@check(name="Delays are bearable", datasets=["flights"])
def punctual(mp, ctx):
    ctx.assert_that(mp.average("dep_delay")).where(name="left in time on average", severity="P2").is_lt(10)
    ctx.assert_that(mp.quantile("dep_delay", 0.95)).where(
        name="most left within two hours", severity="P3"
    ).is_lt(120)


suite = VerificationSuite(
    [complete, punctual],
    MetricDB(),
    "flights",
    every=timedelta(minutes=1),
    grace=timedelta(minutes=1),
    owner="team-flights",
    runbook_url="https://runbooks.example.net/flights",
)
