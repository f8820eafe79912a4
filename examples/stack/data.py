"""A day of flights that goes bad and good again: real ones, of 6 February 2013 and of the blizzard two days later."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from examples.flights.demo import write_flights

GOOD, BAD = 6, 8
CYCLE = (GOOD, BAD, BAD, GOOD, GOOD)
"""One run after the other: bad for two of five."""


@dataclass(frozen=True, slots=True)
class Flights:
    """The file `current` in a folder, which the suite reads, and the two days that it is made from."""

    folder: Path

    @property
    def current(self) -> Path:
        """Return the file that holds the day."""
        return self.folder / "flights.parquet"

    def write(self) -> None:
        """Write both days."""
        import duckdb

        with tempfile.TemporaryDirectory() as year:
            write_flights(Path(year))
            for day in (GOOD, BAD):
                duckdb.connect().execute(
                    f"COPY (FROM '{year}/flights.parquet' WHERE month = 2 AND day = {day}) TO '{self._of(day)}'"
                )

    def turn(self, run: int) -> None:
        """Put the day of a run, counted from 0, in its place."""
        arriving = self.folder / "arriving.parquet"
        shutil.copyfile(self._of(CYCLE[run % len(CYCLE)]), arriving)
        arriving.replace(self.current)  # whole, whoever reads it at the moment

    def _of(self, day: int) -> Path:
        return self.folder / f"february-{day}.parquet"
