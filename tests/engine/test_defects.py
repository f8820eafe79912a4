"""Whose fault an exception is: the data's and a stranger's is a failed scan, DQX's own is not hidden as one."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from tests.engine.scanning import mp, scan

from dqx import DataSource, MetricDB, ResultKey, VerificationSuite, check
from dqx.common import ScanError
from dqx.engine.columns import Column
from dqx.engine.reader import ConnectionReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dqx.common import ScanReport, ScanRequest


class Opening:
    """Opens one row, as a reader that is changed before it is used, and remembers what became of it."""

    def __init__(self, **changed: object) -> None:
        self.changed = changed
        self.closed = False

    @contextmanager
    def __call__(self) -> Iterator[ConnectionReader]:
        """Open the reader."""
        with duckdb.connect() as connection:
            reader = ConnectionReader(connection, "(SELECT 1 AS a)")
            for name, value in self.changed.items():
                setattr(reader, name, value)
            try:
                yield reader
            finally:
                self.closed = True


def refuse(*_: object) -> tuple[Any, ...]:
    """Raise what no engine of ours would."""
    raise LookupError("postgresql://u:secret@h is gone")


@check(name="C", datasets=["t"])
def has_rows(mp: Any, ctx: Any) -> None:
    """Assert that there are rows, and of which kind."""
    ctx.assert_that(mp.sum("a")).where(name="sum").is_gt(0)


def run(source: Any) -> Any:
    """Run a suite of one assertion over the source."""
    with VerificationSuite([has_rows], MetricDB(), "s") as suite:
        return suite.run({"t": source}, ResultKey(date(2024, 1, 1)))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"columns": [None]}, AttributeError),  # a defect in what is known of columns
        ({"columns": [Column("a", None)]}, AttributeError),  # another
        ({"run": lambda *_: ()}, ValueError),  # fewer values than aggregates
        ({"run": refuse}, LookupError),
    ],
)
def test_a_defect_of_dqx_passes_and_the_data_is_closed(
    changed: dict[str, Any], error: type[Exception]
) -> None:
    """Neither a ScanError of the scan nor a failed scan of the run: the program is told, with the traceback."""
    opening = Opening(**changed)
    with pytest.raises(error):
        scan(DataSource(opening), mp.sum("a"))
    assert opening.closed
    with pytest.raises(error):
        run(DataSource(Opening(**changed)))


class Frame:
    """A data frame whose data can no longer be had."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Raise what it likes."""
        raise LookupError("the frame was freed")


class Broken(dict[str, object]):
    """A record that cannot be read."""

    error: Exception = LookupError("the record was freed")

    def get(self, *_: object) -> object:
        """Raise what it likes."""
        raise self.error


class Late(Broken):
    """A record that is somewhere else."""

    error = TimeoutError("the record did not come")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (DataSource.from_records([Broken(a=1)]), "the record was freed"),
        (DataSource.from_records([Late(a=1)]), "the record did not come"),
        (DataSource.from_records([7]), "record 0 is no dict, but of type int"),
        (DataSource.from_arrow(Frame()), ""),
        (DataSource.from_arrow(object()), ""),
        (DataSource.from_parquet("half a pair \ud800.parquet"), "half a pair"),
        (DataSource.from_parquet("a NUL \0.parquet"), "no such file"),
    ],
)
def test_what_stands_between_us_and_the_data_may_raise_whatever_it_likes(
    source: DataSource, told: str
) -> None:
    """That is a failed scan, with the dataset and what it said."""
    with pytest.raises(ScanError, match="dataset 't' could not be read: ") as raised:
        scan(source, mp.sum("a"))
    assert told in str(raised.value)


class Stranger:
    """An engine of somebody else's, and its source in one, whose parts raise by name."""

    name = None
    embedded = True

    def __init__(self, raising: str) -> None:
        self.raising = raising

    def _touch(self, part: str) -> None:
        if part == self.raising:
            raise ZeroDivisionError(part)

    def analyzer(self) -> Stranger:
        """Return itself."""
        self._touch("analyzer")
        return self

    @property
    def system(self) -> str:
        """Return its name."""
        self._touch("system")
        return "other_sql"

    def scan(self, request: ScanRequest) -> ScanReport:
        """Compute nothing."""
        self._touch("scan")
        return None  # what is no report is its fault, too

    def interrupt(self) -> None:
        """Do nothing."""

    def progress(self) -> float | None:
        """Know nothing."""
        return None


@pytest.mark.parametrize("raising", ["analyzer", "system", "scan", "report"])
def test_an_engine_of_somebody_elses_costs_its_own_scan_alone(raising: str) -> None:
    """Whatever it raises, and wherever."""
    finished = run(Stranger(raising))
    assert finished.exit_code == 3
    assert "dataset 't' could not be read: " in finished.datasets[0].error
    assert [result.status for result in finished.results] == ["ERROR"]
