"""Plugins: who gets the results of a run, and the manager that hands them over.

A plugin is an object with the methods of `ResultProcessor`, announced as an entry point of the group
`dqx.plugins`. After a suite has its verdict every plugin gets it; nothing that a plugin does can hurt the run.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dqx.common import ConfigurationError
from dqx.plugins import discovery, settings
from dqx.plugins.hooks import call_of
from dqx.plugins.reports import Reports
from dqx.plugins.roster import Roster, switched_off
from dqx.plugins.round import Round
from dqx.telemetry import tracing
from dqx.telemetry.redaction import redact_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint
    from types import TracebackType

    from opentelemetry.context import Context

    from dqx.common import AssertionResult, PluginOutcome, SymbolInfo
    from dqx.plugins.audit import AuditPlugin
    from dqx.plugins.roster import Listing

__all__ = ["AuditPlugin", "PluginManager", "ResultProcessor"]

logger = logging.getLogger(__name__)

SHUTDOWN_S = 1.0
ALL_SHUTDOWNS_S = 3.0


@runtime_checkable
class ResultProcessor(Protocol):
    """What every plugin has. It may also have `finish(outcomes)` and `shutdown()`."""

    def initialize(self, config: dict[str, Any]) -> None:
        """Take the plugin's configuration; called before the first run, and again when it has changed."""
        ...

    def process(
        self,
        results: list[AssertionResult],
        symbols: list[SymbolInfo],
        suite_name: str,
        context: dict[str, Any],
    ) -> None:
        """Take the results of one run."""
        ...


class PluginManager:
    """Finds the plugins and makes every call into them: on a thread of its own, in bounded time, as a span.

    Args:
        config: The configuration of all plugins, by name; one with `enabled = False` is not imported.
        allow: The only plugins to load; None for all.
        deny: Plugins not to load.
        total_timeout: Seconds for all plugins together, in one run.
        lazy: Load a plugin when it is first needed: a required one in `prepare`, any other in `process_all`,
            after those before it have processed. Otherwise all are loaded now.
        entry_points: The entry points to take instead of those of the installed packages.

    Attributes:
        on_processed: Called in `process_all` with the outcomes so far, when every plugin has processed and
            none is finished yet. What it raises is logged.

    Raises:
        ConfigurationError: When an argument is not what it should be.
    """

    def __init__(
        self,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        allow: Iterable[str] | None = None,
        deny: Iterable[str] | None = None,
        total_timeout: float = 30.0,
        lazy: bool = False,
        entry_points: Iterable[EntryPoint] | None = None,
    ) -> None:
        if not settings.is_time(total_timeout):
            raise ConfigurationError(
                f"the time for all plugins (plugins_timeout, total_timeout of a manager) is {total_timeout!r}; "
                f"it takes {settings.TIMES}",
                total_timeout,
            )
        self.on_processed: Callable[[tuple[PluginOutcome, ...]], None] | None = None
        self._config = settings.checked(config)
        self._total_timeout_s = float(total_timeout)
        self._reports = Reports(lambda: logger)
        self._roster = Roster(discovery.Switches.read(allow, deny), self._reports)
        self._plugins = self._roster.loaded
        self._latest_config = self._config
        self._warned_of: set[str] = set()
        self._run_context: Context | None = None
        self._start_clean()
        _managers.add(self)
        self._discover(entry_points)
        if not lazy:
            self._load_all()

    def get_plugins(self) -> dict[str, ResultProcessor]:
        """Return the plugins by name, in the order in which they run; load those that are not loaded yet."""
        with self._lock:
            self._load_all()
            return dict(self._plugins)

    def register(self, name: str, plugin: ResultProcessor) -> None:
        """Add a plugin that was made in code. A built-in one takes the place of the one that was found.

        Raises:
            ConfigurationError: When the name is taken, or the plugin lacks a hook or has a wrong signature.
        """
        with self._lock:
            hosted = self._roster.register(name, plugin)
        if hosted.refused is not None:
            self._reports.log(
                "info", "Plugin %s is registered and will not be called: %s", name, hosted.refused
            )

    def missing(self, config: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, str]:
        """Return the plugins that are configured but not there, each with a message that says so."""
        with self._lock:
            return self._roster.missing(self._given(config))

    def listing(self, config: Mapping[str, Mapping[str, Any]] | None = None) -> list[Listing]:
        """Return what was found, each with its state; load what is not loaded yet."""
        with self._lock:
            self._load_all()
            return self._roster.listing(self._given(config))

    def prepare(self, config: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Load and initialize the plugins with `required = true`, before a run reads anything.

        Raises:
            ConfigurationError: When one is disabled, denied or not installed, or fails; `culprit` is its name.
        """
        with self._lock:
            given = self._given(config)
            try:
                for name in given:
                    own = settings.read(name, given)
                    if own.required:
                        self._round.require(name, own)
            except BaseException:
                self._begin()
                raise

    def initialize_all(
        self, config: Mapping[str, Mapping[str, Any]] | None = None
    ) -> tuple[PluginOutcome, ...]:
        """Load and initialize every plugin, as a run would, and return the outcomes."""
        with self._lock:
            for hosted, own in self._roster.in_order(self._given(config)):
                self._round.ready(hosted, own)
            outcomes = tuple(self._round.outcomes)
            self._begin()
            return outcomes

    def process_all(
        self,
        results: Sequence[AssertionResult],
        symbols: Sequence[SymbolInfo],
        suite_name: str,
        context: Mapping[str, Any],
        config: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> tuple[PluginOutcome, ...]:
        """Hand a run to every plugin, in order, and return what became of each call.

        Args:
            results: The results of the run's assertions; each plugin gets a new list of them.
            symbols: The values of its metrics; likewise.
            suite_name: Name of the suite.
            context: What else is known of the run; each plugin gets its own copy, a plain dict.
            config: The configuration of all plugins by name; None for the one given to the constructor.

        Returns:
            The outcomes in the order in which they came: loading, initializing, processing, finishing. Those
            of what was called since the last run, by the constructor and by `prepare`, are among them.
        """
        with self._lock:
            given = self._latest_config = self._given(config)
            self._run_context = tracing.current()
            self._warn_of_missing(given)
            plugins = self._roster.in_order(given)
            if not plugins:
                self._reports.log("debug", "No plugins loaded, skipping plugin processing")
                return ()
            self._reports.log("info", "Processing results through %d plugin(s)", len(plugins))
            try:
                processed = []
                for hosted, own in plugins:
                    if self._round.ready(hosted, own):
                        self._round.process(hosted, own, results, symbols, suite_name, context)
                        processed.append((hosted, own))
                self._tell_processed()
                for hosted, own in sorted(processed, key=lambda pair: pair[0].name == discovery.BUILT_INS[0]):
                    self._round.finish(hosted, own)
                return tuple(self._round.outcomes)
            finally:
                self._begin()

    def close(self) -> tuple[PluginOutcome, ...]:
        """Shut down what was initialized, in reverse order: 1 s each, 3 s for all. Log failures, raise none."""
        with self._lock:
            outcomes = []
            deadline = time.monotonic() + ALL_SHUTDOWNS_S
            for hosted, _ in reversed(self._roster.in_order(self._latest_config)):
                if "shutdown" in hosted.hooks and hosted.name in self._plugins:
                    hosted.spent_s = 0.0
                    limit_s = min(SHUTDOWN_S, deadline - time.monotonic())
                    shutdown = call_of(self._plugins[hosted.name], "shutdown")
                    outcomes.append(hosted.call("shutdown", shutdown, limit_s, parent=self._run_context)[0])
                hosted.stop()
            self._begin()
            return tuple(outcomes)

    def __enter__(self) -> PluginManager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    # What follows is called with the lock held. -----------------------------------------------------------

    def _given(self, config: object) -> Mapping[str, Any]:
        return self._config if config is None else settings.checked(config)

    def _begin(self) -> None:
        """Begin anew: what is called from now on belongs to the next run."""
        self._round = Round(self._roster, self._reports, self._total_timeout_s)

    def _start_clean(self) -> None:
        """Forget what a parent process held: threads, locks, a run that is under way."""
        self._lock = threading.RLock()
        self._roster.start_clean()
        self._begin()

    def _discover(self, entry_points: Iterable[EntryPoint] | None) -> None:
        try:
            self._roster.discover(discovery.installed() if entry_points is None else entry_points)
        except Exception as error:  # noqa: BLE001  # broken metadata of any package must not stop a run
            self._reports.log("error", "Failed to discover plugins: %s", redact_exception(error))
        for found in self._roster.turned_away:
            origin = discovery.origin_text(found)
            self._reports.log(
                "warning", "Plugin %s of %s is not loaded: %s", found.name, origin, found.refused
            )

    def _warn_of_missing(self, config: Mapping[str, Any]) -> None:
        for name, message in self._roster.missing(config).items():
            if name not in self._warned_of:
                self._warned_of.add(name)
                self._reports.log("warning", "%s", message)

    def _load_all(self) -> None:
        for hosted, own in self._roster.in_order(self._config):
            if hosted.load_outcome is None and own.wrong is None and switched_off(hosted, own) is None:
                self._round.load(hosted, own)

    def _tell_processed(self) -> None:
        if self.on_processed is None:
            return
        try:
            self.on_processed(tuple(self._round.outcomes))
        except Exception as error:  # noqa: BLE001  # the plugins still want to be finished
            said = redact_exception(error)
            self._reports.log("error", "The outcomes of the plugins could not be handed on: %s", said)


_managers: weakref.WeakSet[PluginManager] = weakref.WeakSet()


def _after_fork() -> None:
    for manager in _managers:
        manager._start_clean()


os.register_at_fork(after_in_child=_after_fork)


def __getattr__(name: str) -> object:
    if name == "AuditPlugin":
        from dqx.plugins.audit import AuditPlugin

        return AuditPlugin
    raise AttributeError(f"module 'dqx.plugins' has no attribute {name!r}")
