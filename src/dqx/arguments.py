"""What a user hands to a suite, refused where it is not what it should be, in words that say what is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from dqx.common import ConfigurationError, ResultKey, SqlDataSource


def sources_by_name(
    datasources: Mapping[str, SqlDataSource] | Sequence[SqlDataSource],
) -> dict[str, SqlDataSource]:
    """Return the sources by name; raise ConfigurationError for what is no source, or has no name of its own."""
    if isinstance(datasources, Mapping):
        pairs = list(datasources.items())
    elif isinstance(datasources, (str, SqlDataSource)) or not isinstance(datasources, Iterable):
        raise ConfigurationError(
            f"run takes data sources by name, such as {{'orders': DataSource.from_parquet(...)}}, "
            f"or a list of named ones, not {datasources!r}",
            datasources,
        )
    else:
        pairs = [(str(getattr(source, "name", None) or ""), source) for source in datasources]
    named: dict[str, SqlDataSource] = {}
    for name, source in pairs:
        if not isinstance(name, str):
            raise ConfigurationError(f"the name of a dataset is text, not {name!r}", name)
        if not isinstance(source, SqlDataSource):
            raise ConfigurationError(
                f"dataset {name!r} is a {type(source).__name__}, not a data source; "
                "DataSource.from_parquet(...), from_pandas(...) and the like make one",
                name,
            )
        if not name or name in named:
            raise ConfigurationError(
                "data sources in a list need names, each its own: DataSource.from_parquet(..., name='orders')"
                if not name
                else f"two data sources are named '{name}'",
                name,
            )
        named[name] = source
    return named


def refuse_duration(where: str, option: str, duration: timedelta | None) -> None:
    """Raise ConfigurationError for what is no duration, or a negative one; only `timeout` may not be None."""
    if duration is None and option != "timeout":
        return
    if not isinstance(duration, timedelta) or duration < timedelta() or (option != "grace" and not duration):
        raise ConfigurationError(
            f"{where}: {option} is a positive timedelta, such as timedelta(days=1), not {duration!r}",
            duration,
        )


def refuse_key(key: ResultKey, now: datetime, *, allow_future: bool) -> None:
    """Raise ConfigurationError for what is no key, or one about a day later than tomorrow (UTC)."""
    if not isinstance(key, ResultKey):
        raise ConfigurationError(f"run takes a ResultKey, such as ResultKey(date.today()), not {key!r}", key)
    tomorrow = now.date() + timedelta(days=1)
    if key.yyyy_mm_dd > tomorrow and not allow_future:
        raise ConfigurationError(
            f"the key date {key.yyyy_mm_dd} is later than tomorrow ({tomorrow}, UTC): every later run would count "
            "as a backfill of older data and no longer show; allow_future=True (--allow-future) stores it",
            key.yyyy_mm_dd,
        )
