"""What a user hands to a suite, refused where it is not what it should be, in words that say what is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from dqx.common import ConfigurationError, ResultKey, SqlDataSource
from dqx.telemetry.labels import check_label_tags


def refuse_name(name: object) -> None:
    """Raise ConfigurationError for what cannot be a suite's name."""
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"the name of a suite is text that says what it checks, not {name!r}", name)


def refuse_parts(where: str, checks: object, db: object, plugin_config: object) -> None:
    """Raise ConfigurationError for what are no checks, no store, or no settings of plugins."""
    if callable(checks) or isinstance(checks, str) or not isinstance(checks, Iterable):
        raise ConfigurationError(f"{where}: checks come as a list, [one, two], not as {checks!r}", checks)
    if not hasattr(db, "finish_run"):
        raise ConfigurationError(
            f"{where}: db is where results are kept, such as MetricDB('sqlite:///quality.db'), not {db!r}", db
        )
    if not isinstance(plugin_config, Mapping | None):
        raise ConfigurationError(
            f"{where}: plugin_config maps a plugin's name to its settings, such as "
            f"{{'dqx_audit': {{'jsonl_file': 'audit.jsonl'}}}}; it is a {type(plugin_config).__name__}",
            plugin_config,
        )


def refuse_label_tags(where: str, label_tags: object) -> None:
    """Raise ConfigurationError for what is no list of names, or has one that cannot become a label."""
    if (
        isinstance(label_tags, str)
        or not isinstance(label_tags, Iterable)
        or not all(isinstance(tag, str) for tag in label_tags)
    ):
        raise ConfigurationError(
            f"{where}: label_tags is a list of names, such as ['env'], not {label_tags!r}", label_tags
        )
    check_label_tags(label_tags)


def refuse_texts(where: str, **texts: object) -> None:
    """Raise ConfigurationError for what is neither text nor None."""
    for option, text in texts.items():
        if not isinstance(text, str | None):
            raise ConfigurationError(f"{where}: {option} is text, not {text!r}", text)


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
