"""What a data spec names, and what it says about one that names nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import duckdb
import pytest

from dqx.cli.data_spec import data_sources
from dqx.common import ConfigurationError, ScanError, ScanRequest
from dqx.engine.metrics import MetricSpec

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2024, 1, 2)


def rows(spec: str, date_column: str | None = None) -> object:
    """Count the rows of what a spec names."""
    sources = data_sources({"orders": spec}, {"orders": date_column} if date_column else {})
    metric = MetricSpec("num_rows")
    request = ScanRequest("orders", (metric,), DAY, datetime(2024, 1, 3, tzinfo=UTC), 60.0)
    return sources["orders"].analyzer().scan(request).values[metric].unwrap()


@pytest.fixture
def files(orders: Path) -> Path:
    """Write the orders as CSV, gzipped CSV and a table and a view of a DuckDB file, too."""
    with duckdb.connect(str(orders.parent / "shop.duckdb")) as connection:
        connection.execute(f"CREATE TABLE orders AS FROM '{orders}'")
        connection.execute("CREATE SCHEMA old; CREATE VIEW old.orders AS FROM main.orders WHERE order_id < 7")
        connection.execute(
            "COPY orders TO 'orders.csv'; COPY orders TO 'orders.csv.gz'; COPY orders TO 'B.PARQUET'"
        )
    return orders.parent


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("orders.parquet", 30),
        ("B.PARQUET", 30),
        ("o*.parquet", 30),
        ("./**/orders.parquet", 30),
        ("orders.csv", 30),
        ("orders.csv.gz", 30),
        ("orders.csv*", "refused"),
        ("shop.duckdb::orders", 30),
        ("shop.duckdb::old.orders", 7),
    ],
)
def test_a_spec_names_a_file_a_glob_or_a_table(files: Path, spec: str, expected: object) -> None:
    """By how it ends; relative to the current folder."""
    if expected == "refused":
        with pytest.raises(ConfigurationError):
            rows(spec)
    else:
        assert rows(spec) == expected


def test_an_absolute_path_and_the_home_folder_work(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the shell's, which leaves it alone behind an `=`."""
    monkeypatch.setenv("HOME", str(files))
    assert (
        rows(str(files / "orders.parquet")) == rows("~/orders.parquet") == rows("~/shop.duckdb::orders") == 30
    )


@pytest.mark.parametrize("spec", ["orders.parquet", "orders.csv", "shop.duckdb::orders"])
def test_a_date_column_keeps_to_the_day(files: Path, spec: str) -> None:
    """Ten of the thirty orders are of that day."""
    assert rows(spec, "day") == 10


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("orders", "it takes a path or quoted glob that ends in .parquet, .csv or .csv.gz"),
        ("orders.parket", "it takes a path"),
        ("orders.json", "it takes a path"),
        ("shop.duckdb", "name the table, too: orders=shop.duckdb::TABLE"),
        ("shop.duckdb::", "it takes a path"),
        ("::orders", "it takes a path"),
    ],
)
def test_a_spec_of_another_form_is_refused_with_the_forms_there_are(
    folder: Path, spec: str, said: str
) -> None:
    """Nothing is read for it."""
    with pytest.raises(ConfigurationError) as caught:
        data_sources({"orders": spec}, {})
    assert f"data orders={spec}: " in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.culprit == spec


def test_a_date_column_of_no_dataset_is_refused_with_the_nearest_name(folder: Path) -> None:
    """A misspelt name would let the run read all days."""
    with pytest.raises(
        ConfigurationError, match=r"date column oders=day: .* did you mean 'orders'"
    ) as caught:
        data_sources({"orders": "orders.parquet"}, {"oders": "day"})
    assert caught.value.culprit == "oders"
    with pytest.raises(ConfigurationError, match="name it with --data orders=FILE"):
        data_sources({}, {"orders": "day"})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("missing.parquet", "no such file: missing.parquet"),
        ("missing*.csv", "no file matches missing*.csv"),
        ("missing.duckdb::orders", "no such file: missing.duckdb"),
        (".", ". is a directory; name its files, for example *.parquet"),
        (
            "parts.parquet",
            "parts.parquet is a directory; name its files, for example parts.parquet/*.parquet",
        ),
    ],
)
def test_what_is_not_there_is_found_when_it_is_read(folder: Path, spec: str, said: str) -> None:
    """Then it is a failed scan, with results, and not a wrong command."""
    (folder / "parts.parquet").mkdir()
    with pytest.raises(ScanError) as caught:
        rows(spec)
    assert said in str(caught.value)
