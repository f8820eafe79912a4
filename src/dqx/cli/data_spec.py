"""Data as the command line names it, `NAME=SPEC`: a file, a quoted glob, or a table of a DuckDB file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dqx.common import ConfigurationError
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dqx.provider import DataSource

_FORMS = "a path or quoted glob that ends in .parquet, .csv or .csv.gz, or FILE.duckdb::TABLE"


def data_sources(specs: Mapping[str, str], date_columns: Mapping[str, str]) -> dict[str, DataSource]:
    """Return a data source for each named spec; nothing is read yet.

    Args:
        specs: What each dataset is, by its name.
        date_columns: The columns that keep a run to its day, by dataset.

    Raises:
        ConfigurationError: When a spec has another form, or a date column is of no dataset.
    """
    for name in date_columns:
        if name not in specs:
            raise ConfigurationError(
                f"date column {name}={date_columns[name]}: there is no dataset '{name}'"
                f"{did_you_mean(name, specs) or '; name it with --data ' + name + '=FILE'}",
                name,
            )
    return {name: _source(name, spec, date_columns.get(name)) for name, spec in specs.items()}


def _source(name: str, spec: str, date_column: str | None) -> DataSource:
    from dqx.provider import DataSource

    file, separator, table = spec.partition(".duckdb::")
    if separator and file and table:
        return DataSource.from_duckdb(f"{_home(file)}.duckdb", table=table, date_column=date_column)
    path = _home(spec)
    # A folder of files goes on to be a failed scan, which says how to name the files in it.
    if path.lower().endswith(".parquet") or Path(path).is_dir():
        return DataSource.from_parquet(path, date_column=date_column)
    if path.lower().endswith((".csv", ".csv.gz")):
        return DataSource.from_csv(path, date_column=date_column)
    if path.lower().endswith(".duckdb"):
        raise ConfigurationError(f"data {name}={spec}: name the table, too: {name}={spec}::TABLE", spec)
    raise ConfigurationError(f"data {name}={spec}: it takes {_FORMS}", spec)


def _home(path: str) -> str:
    return str(Path(path).expanduser()) if path.startswith("~") else path
