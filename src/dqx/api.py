"""What a user writes and runs: `check`, `Context`, `VerificationSuite`."""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dqx import plugins
from dqx.arguments import (
    refuse_duration,
    refuse_key,
    refuse_label_tags,
    refuse_name,
    refuse_parts,
    refuse_texts,
    sources_by_name,
)
from dqx.common import (
    ConfigurationError,
    DQXError,
    ResultKey,
    ResultValue,
    SqlDataSource,
    StoreError,
    SuiteInfo,
    SuiteRun,
    check_severity,
    verdict_of,
)
from dqx.engine.check import CheckProducer, Context, DecoratedCheck, check, check_name
from dqx.engine.collect import collect
from dqx.engine.evaluate import Evaluation
from dqx.engine.plan import make_plan
from dqx.engine.sweep import scan_datasets
from dqx.engine.symbols import describe_symbols, scanned_values, stored_metrics
from dqx.engine.watch import Watch
from dqx.provider import MetricProvider
from dqx.publish import Publication, note_dropped, publish
from dqx.telemetry import installed, tracing
from dqx.telemetry.labels import DEFAULT_LABEL_TAGS
from dqx.wording import one_line

if TYPE_CHECKING:
    from datetime import date
    from types import TracebackType

    from dqx.common import AssertionResult, StoredMetric, SymbolInfo
    from dqx.engine.assertion import Assertion
    from dqx.engine.plan import Symbol
    from dqx.orm.records import SnapshotState
    from dqx.orm.repositories import MetricDB
    from dqx.plugins import PluginManager, ResultProcessor

__all__ = ["CheckProducer", "Context", "DecoratedCheck", "VerificationSuite", "check"]

logger = logging.getLogger(__name__)

_GRACE_MIN = timedelta(minutes=15)
_TIMEOUT = timedelta(hours=1)


class VerificationSuite:
    """Checks that are run together, on a store that keeps what they found.

    Args:
        checks: Functions of `(mp, ctx)`, decorated with `@check` or plain.
        db: Where runs, results and metrics are kept.
        name: What the suite is called in results, telemetry and alerts.
        plugin_config: Settings for plugins, by the name of each.
        every: How often the suite should run; what is later than `every + grace` is late.
        grace: How late a run may be: a quarter of `every` unless given, and at least 15 minutes.
        timeout: How long the scans of a run may take in all.
        fail_on: The lowest severity at which a failed assertion fails the suite (P1: P0 and P1 do).
        owner: Who answers for the suite, and for assertions that name nobody else.
        runbook_url: What to do when the suite is late or fails.
        label_tags: The tags of a run that become labels of its telemetry; runs that differ in them are
            different series.
        plugins_allow: The only plugins to load, by name; None for all that are installed.
        plugins_deny: Plugins not to load.
        plugins_timeout: Seconds for all plugins together.

    Raises:
        ConfigurationError: When there is no check, no name, or an argument is not what it should be.
    """

    def __init__(
        self,
        checks: Sequence[CheckProducer | DecoratedCheck],
        db: MetricDB,
        name: str,
        plugin_config: dict[str, dict[str, Any]] | None = None,
        *,
        every: timedelta | None = None,
        grace: timedelta | None = None,
        timeout: timedelta = _TIMEOUT,
        fail_on: str = "P1",
        owner: str | None = None,
        runbook_url: str | None = None,
        label_tags: Sequence[str] = DEFAULT_LABEL_TAGS,
        plugins_allow: Sequence[str] | None = None,
        plugins_deny: Sequence[str] | None = None,
        plugins_timeout: float = 30.0,
    ) -> None:
        refuse_name(name)
        where = f"suite '{name.strip()}'"
        refuse_parts(where, checks, db, plugin_config)
        refuse_label_tags(where, label_tags)
        refuse_texts(where, owner=owner, runbook_url=runbook_url)
        self._checks = tuple(checks)
        if not self._checks:
            raise ConfigurationError(f"{where} has no checks; it needs one at least")
        for producer in self._checks:
            check_name(producer)
        for option, duration in (("every", every), ("grace", grace), ("timeout", timeout)):
            refuse_duration(where, option, duration)
        self._db = db
        self._name = name.strip()
        self._plugin_config = plugin_config
        self._label_tags = tuple(label_tags)
        self._plugins_allow = plugins_allow
        self._plugins_deny = plugins_deny
        self._plugins_timeout = plugins_timeout
        self._plugin_manager: PluginManager | None = None
        self._registered_plugins: dict[str, ResultProcessor] = {}
        self._last_run: SuiteRun | None = None
        self._watch = Watch()
        self._process, self._turn = os.getpid(), threading.RLock()
        default_grace = max((every or timedelta()) / 4, _GRACE_MIN)
        self.info = SuiteInfo(
            name=self._name,
            every_s=None if every is None else every.total_seconds(),
            grace_s=(default_grace if grace is None else grace).total_seconds(),
            timeout_s=timeout.total_seconds(),
            fail_on=check_severity(fail_on, f"{where}: fail_on"),
            owner=owner,
            runbook_url=runbook_url,
        )

    @property
    def name(self) -> str:
        """Return the suite's name."""
        return self._name

    @property
    def db(self) -> MetricDB:
        """Return the suite's store."""
        return self._db

    @property
    def plugin_config(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the settings of plugins by the name of each, with those taken over from outside; read-only."""
        return MappingProxyType(
            {
                name: MappingProxyType(own) if isinstance(own, Mapping) else own
                for name, own in (self._plugin_config or {}).items()
            }
        )

    @property
    def scanning(self) -> tuple[str, float | None] | None:
        """Return the dataset that is being scanned and how much is done (0 to 1, None if unknown), or None.

        Made to be asked by another thread, as a progress bar does.
        """
        return self._watch.scanning

    def assertions(self) -> list[Assertion]:
        """Return what the checks assert, in order, each with its owner; they are run for it, no data is read.

        Raises:
            ConfigurationError: When a check is not written as it should be.
        """
        found = collect(self._checks, MetricProvider(), self._name, self._db)
        if self.info.owner is None:
            return found
        return [a if a.owner else replace(a, owner=self.info.owner) for a in found]

    def interrupt(self) -> None:
        """End the run that is under way: its scan is interrupted, and `run` raises KeyboardInterrupt.

        Made to be called by another thread, as the command line does when it is told to end.
        """
        self._watch.interrupt()

    def override(
        self,
        *,
        db: MetricDB | None = None,
        fail_on: str | None = None,
        timeout: timedelta | None = None,
        plugin_config: Mapping[str, Mapping[str, Any]] | None = None,
        label_tags: Sequence[str] | None = None,
        plugins_allow: Sequence[str] | None = None,
        plugins_deny: Sequence[str] | None = None,
        plugins_timeout: float | None = None,
    ) -> None:
        """Take over settings from outside, as the command line has them; None leaves the suite's own.

        A plugin's settings are joined key by key, and the suite's own win.

        Raises:
            ConfigurationError: When one of them is not what it should be; nothing is taken over.
        """
        where = f"suite '{self._name}'"
        info = self.info
        if fail_on is not None:
            info = replace(info, fail_on=check_severity(fail_on, f"{where}: fail_on"))
        if timeout is not None:
            refuse_duration(where, "timeout", timeout)
            info = replace(info, timeout_s=timeout.total_seconds())
        if label_tags is not None:
            refuse_label_tags(where, label_tags)
            self._label_tags = tuple(label_tags)
        self.info = info
        if db is not None:
            self._db = db
        if plugin_config:
            own = self._plugin_config or {}
            given = {name: dict(settings) for name, settings in plugin_config.items()}
            # What is no settings by name stays as it is, to be refused by the name of its plugin.
            joined = {
                name: {**given.get(name, {}), **settings} if isinstance(settings, Mapping) else settings
                for name, settings in own.items()
            }
            self._plugin_config = {**given, **joined}
        self._plugins_allow = self._plugins_allow if plugins_allow is None else plugins_allow
        self._plugins_deny = self._plugins_deny if plugins_deny is None else plugins_deny
        self._plugins_timeout = self._plugins_timeout if plugins_timeout is None else plugins_timeout

    def missing_plugins(self) -> dict[str, str]:
        """Return the plugins that are configured but not installed, each with a message that says so."""
        return self._get_plugin_manager().missing(self._plugin_config)

    def run(
        self,
        datasources: Mapping[str, SqlDataSource] | Sequence[SqlDataSource],
        key: ResultKey,
        *,
        allow_future: bool = False,
    ) -> SuiteRun:
        """Plan, scan each dataset once, evaluate, store, and hand the verdict to the plugins.

        Threads that run the same suite take turns.

        Args:
            datasources: The data by name, or a list of sources that have names.
            key: The day that the run is about, and its tags.
            allow_future: Accept a key date later than tomorrow (UTC).

        Returns:
            The run, whatever its verdict; bad data raises nothing. Call `raise_for_verdict()` on it to fail
            a task.

        Raises:
            ConfigurationError: When the suite, the key or a plugin that is required is not right; nothing
                was read.
            StoreError: When the store cannot be opened, or cannot take note that the run started.
        """
        if self._process != os.getpid():  # a forked child: whoever had the turn is not here
            self._process, self._turn = os.getpid(), threading.RLock()
        with self._turn:
            return self._run(sources_by_name(datasources), key, allow_future=allow_future)

    def _run(self, sources: Mapping[str, SqlDataSource], key: ResultKey, *, allow_future: bool) -> SuiteRun:
        self._watch.begin()
        started_at, started = _now(), time.perf_counter()
        refuse_key(key, started_at, allow_future=allow_future)
        assertions = self.assertions()
        plan = make_plan(assertions, sources)
        lagged = plan.lagged(key)
        manager = self._get_plugin_manager()

        run_id = uuid.uuid4().hex
        with (
            installed.sent_at_end() as telemetry,
            tracing.run_suite(self._name, run_id, key.yyyy_mm_dd) as span,
        ):
            manager.prepare(self._plugin_config)
            self._db.start_run(run_id, self.info, key, started_at)
            state = self._db.snapshot(self._name, self._labels(key), self._label_tags, key.yyyy_mm_dd)
            history = self._history(lagged, key)
            deadline = started + self.info.timeout_s
            reports = scan_datasets(plan, sources, key, started_at, deadline, self._watch)
            values = {**history, **scanned_values(plan, reports)}
            results = Evaluation(self._name, key, values, plan.only_dataset, _now).decide(assertions)
            symbols = describe_symbols(plan, reports, values, self._name, key)
            run = SuiteRun(
                run_id=run_id,
                suite=self._name,
                key=key,
                verdict=verdict_of(results, self.info.fail_on),
                results=tuple(results),
                symbols=tuple(symbols.values()),
                datasets=tuple(report.run for report in reports.values()),
                started_at=started_at,
                duration_s=time.perf_counter() - started,
                fail_on=self.info.fail_on,
            )
            failing_since = _failing_since(run, state)
            run = self._store(run, stored_metrics(plan, symbols), failing_since)
            tracing.end_run(span, run)
            publication = Publication(
                run, self.info, self._labels(key), state, failing_since, self._db.persistent, span
            )
            run = publish(manager, publication, self._plugin_config, self._db)
        self._last_run = run = note_dropped(run, telemetry.dropped, self._db)
        return run

    def collect_results(self) -> list[AssertionResult]:
        """Return the results of the last run; raise DQXError before the first."""
        return list(self._ran().results)

    def collect_symbols(self) -> list[SymbolInfo]:
        """Return the metric values of the last run; raise DQXError before the first."""
        return list(self._ran().symbols)

    def register_plugin(self, name: str, plugin: ResultProcessor) -> None:
        """Add a plugin that was made in code, beside those that are installed.

        Raises:
            ConfigurationError: When the name is taken, or the plugin lacks a hook or has a wrong signature.
        """
        self._get_plugin_manager().register(name, plugin)
        self._registered_plugins[name] = plugin

    def close(self) -> None:
        """Shut the plugins down, in reverse order; what goes wrong there is logged, never raised."""
        if self._plugin_manager is not None:
            self._plugin_manager.close()
            self._plugin_manager = None

    def __enter__(self) -> VerificationSuite:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _ran(self) -> SuiteRun:
        if self._last_run is None:
            raise DQXError(f"suite '{self._name}' has not run yet; call run(...) first")
        return self._last_run

    def _get_plugin_manager(self) -> PluginManager:
        if self._plugin_manager is None:
            self._plugin_manager = plugins.PluginManager(
                self._plugin_config,
                allow=self._plugins_allow,
                deny=self._plugins_deny,
                total_timeout=self._plugins_timeout,
                # What a plugin does while it is imported must find the verdict stored already.
                lazy=True,
            )
            for name, plugin in self._registered_plugins.items():
                self._plugin_manager.register(name, plugin)
        return self._plugin_manager

    def _labels(self, key: ResultKey) -> dict[str, str]:
        return {tag: key.tags[tag] for tag in self._label_tags if tag in key.tags}

    def _history(
        self, lagged: Mapping[tuple[str, str, date], Symbol], key: ResultKey
    ) -> dict[Symbol, ResultValue]:
        """Return those of the lagged symbols that the store holds."""
        found = self._db.history(self._name, key.tags, list(lagged)) if lagged else {}
        return {lagged[place]: ResultValue.success(value) for place, value in found.items()}

    def _store(
        self,
        run: SuiteRun,
        metrics: Sequence[StoredMetric],
        failing_since: Mapping[tuple[str, str], datetime],
    ) -> SuiteRun:
        """Store a run and its metrics; a store that cannot take them is noted on the run, not raised."""
        try:
            self._db.finish_run(run, metrics, failing_since)
        except StoreError as error:
            logger.error("suite %s: the run was not stored: %s", one_line(self._name), error)
            return replace(run, store_error=str(error))
        return run


def _now() -> datetime:
    return datetime.now(UTC)


def _failing_since(run: SuiteRun, state: SnapshotState) -> dict[tuple[str, str], datetime]:
    """Return since when each assertion that did not pass has not: the first run in a row, or this one."""
    places = ((r.check, r.assertion) for r in run.results if r.status != "SUCCESS")
    return {place: state.failing_since.get(place, run.finished_at) for place in places}
