"""What the manager promises: order, outcomes, time, and that nothing reaches anybody else."""

from __future__ import annotations

import gc
import json
import logging
import math
import os
import pickle
import subprocess
import sys
import threading
import time
from datetime import date
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry.trace import StatusCode, get_current_span
from tests.plugins.stand_ins import (
    Finisher,
    Witness,
    endings,
    manager_of,
    recorded_spans,
    run_through,
    wait_until,
)

from dqx import plugins
from dqx.common import ConfigurationError, PluginOutcome
from dqx.plugins import PluginManager
from dqx.publish import Publication
from dqx.telemetry import names, tracing
from dqx.testing import context_of, suite_run


def _fail(error: BaseException) -> Any:
    def act() -> None:
        raise error

    return act


def test_every_plugin_gets_the_run() -> None:
    """Each is initialized with its own settings and given results, symbols, suite and context, all equal."""
    run = suite_run()
    first, second = Witness(), Witness()
    manager = manager_of({"b": {"key": "value"}}, a=first, b=second)
    outcomes = manager.process_all(run.results, run.symbols, run.suite, context_of(run))
    assert (first.configs, second.configs) == ([{}], [{"key": "value"}])
    assert first.runs == second.runs == [(list(run.results), list(run.symbols), run.suite, context_of(run))]
    assert endings(outcomes) == [
        ("a", "initialize", "ok"), ("a", "process", "ok"), ("b", "initialize", "ok"), ("b", "process", "ok"),
    ]  # fmt: skip


def test_arguments_by_position_and_by_keyword() -> None:
    """Both spellings of the plan work."""
    plugin = Witness()
    manager = manager_of(p=plugin)
    manager.process_all([], [], "s", {}, {"p": {"a": 1}})
    manager.process_all(results=[], symbols=[], suite_name="s", context={}, config={"p": {"a": 2}})
    assert plugin.configs == [{"a": 1}, {"a": 2}]


def test_the_built_in_ones_come_first_then_order_and_name() -> None:
    """`order` is a whole number; lower ones run first, and names decide among equals."""
    diary: list[Any] = []
    members = {name: Finisher(name, diary) for name in ("zeta", "alpha", "beta", "last")}
    config = {"last": {"order": 5}, "zeta": {"order": -1}}
    run_through(manager_of(config, **members))
    processed = [entry[0] for entry in diary if entry[1] == "process"]
    assert processed == ["zeta", "alpha", "beta", "last"]


def test_the_built_in_ones_have_a_place_of_their_own() -> None:
    """Audit, then OpenTelemetry, then Prometheus, whatever their order says; audit is finished last."""
    diary: list[Any] = []
    manager = manager_of({"dqx_audit": {"order": 99}, "early": {"order": -99}})
    for name in ("early", "dqx_prometheus", "dqx_audit", "dqx_otel"):
        manager._plugins[name] = Finisher(name, diary)
    run_through(manager)
    assert [entry[:2] for entry in diary] == [
        ("dqx_audit", "process"), ("dqx_otel", "process"), ("dqx_prometheus", "process"), ("early", "process"),
        ("dqx_otel", "finish"), ("dqx_prometheus", "finish"), ("early", "finish"), ("dqx_audit", "finish"),
    ]  # fmt: skip


def test_finish_gets_what_became_of_every_plugin_so_far() -> None:
    """Outcomes of loading, initializing, processing and of those finished before; a list of each one's own."""
    diary: list[Any] = []
    outcomes = run_through(
        manager_of(a=Finisher("a", diary), b=Witness(_fail(ValueError("x"))), c=Finisher("c", diary))
    )
    finishes = [entry for entry in diary if entry[1] == "finish"]
    assert endings(finishes[0][2]) == [
        ("a", "initialize", "ok"), ("a", "process", "ok"),
        ("b", "initialize", "ok"), ("b", "process", "error"),
        ("c", "initialize", "ok"), ("c", "process", "ok"),
    ]  # fmt: skip
    assert endings(finishes[1][2]) == [*endings(finishes[0][2]), ("a", "finish", "ok")]
    assert endings(outcomes) == [*endings(finishes[1][2]), ("c", "finish", "ok")]


def test_a_plugin_whose_processing_failed_is_finished_still() -> None:
    """It may have something to close; one that never got ready has not."""

    class FailsToProcess(Finisher):
        def process(self, *run: Any) -> None:
            raise ValueError("x")

    class FailsToStart(Finisher):
        def initialize(self, config: Any) -> None:
            raise ValueError("x")

    outcomes = run_through(manager_of(a=FailsToProcess("a"), b=FailsToStart("b")))
    assert endings(outcomes) == [
        ("a", "initialize", "ok"), ("a", "process", "error"), ("b", "initialize", "error"), ("a", "finish", "ok"),
    ]  # fmt: skip


def test_the_store_is_told_between_processing_and_finishing() -> None:
    """`on_processed` gets what is known by then; what it raises is logged, and the plugins are finished."""
    diary: list[Any] = []
    manager = manager_of(a=Finisher("a", diary))
    manager.on_processed = lambda outcomes: diary.append(("store", endings(outcomes)))
    run_through(manager)
    assert [entry[:2] for entry in diary] == [
        ("a", "process"), ("store", [("a", "initialize", "ok"), ("a", "process", "ok")]), ("a", "finish"),
    ]  # fmt: skip


def test_a_store_that_fails_there_hinders_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The plugins still want to be finished."""
    plugin = Finisher("a")
    manager = manager_of(a=plugin)
    manager.on_processed = lambda outcomes: _fail(OSError("postgresql://u:hunter2@h is gone"))()
    assert endings(run_through(manager))[-1] == ("a", "finish", "ok")
    assert "could not be handed on: postgresql://***@h is gone" in caplog.text


def test_a_plugin_is_initialized_again_only_when_its_configuration_changed() -> None:
    """The manager's own keys are no change; a plugin that failed to start is tried again."""
    plugin = Witness()
    manager = manager_of(p=plugin)
    nested = {"table": {"list": [1]}}
    for config in (
        {},
        {"p": {}},
        {"p": {"timeout": 5, "order": 2}},
        {"p": nested},
        {"p": {"table": {"list": [1]}}},
    ):
        run_through(manager, config)
    nested["table"]["list"].append(2)
    run_through(manager, {"p": nested})
    assert plugin.configs == [{}, {"table": {"list": [1]}}, {"table": {"list": [1, 2]}}]


def test_a_plugin_that_failed_to_start_is_tried_again() -> None:
    """What was down at one run may be up at the next."""

    class Recovers(Witness):
        def initialize(self, config: Any) -> None:
            super().initialize(config)
            if len(self.configs) == 1:
                raise ConnectionError("down")

    manager = manager_of(p=Recovers())
    assert endings(run_through(manager)) == [("p", "initialize", "error")]
    assert endings(run_through(manager)) == [("p", "initialize", "ok"), ("p", "process", "ok")]


def test_a_plugin_never_sees_the_manager_s_own_keys() -> None:
    """`enabled`, `timeout`, `order` and `required` are the manager's."""
    plugin = Witness()
    run_through(
        manager_of({"p": {"enabled": True, "timeout": 3, "order": 1, "required": True, "mine": 1}}, p=plugin)
    )
    assert plugin.configs == [{"mine": 1}]


def test_a_configuration_that_cannot_be_compared_counts_as_changed() -> None:
    """Arrays and the like have no truth."""

    class Array:
        def __eq__(self, other: object) -> Any:
            raise ValueError("ambiguous")

        __hash__ = object.__hash__

    plugin = Witness()
    manager = manager_of(p=plugin)
    run_through(manager, {"p": {"x": Array()}})
    run_through(manager, {"p": {"x": Array()}})
    assert len(plugin.configs) == 2


def test_the_configuration_of_the_constructor_holds_unless_another_comes() -> None:
    """The suite hands the same to both; a program may hand it to either."""
    plugin = Witness()
    manager = manager_of({"p": {"a": 1}}, p=plugin)
    run_through(manager)
    run_through(manager, {"p": {"a": 2}})
    assert plugin.configs == [{"a": 1}, {"a": 2}]


def test_what_a_plugin_changes_reaches_nobody() -> None:
    """Lists, context and settings are its own, at every depth; results and tags cannot be changed."""
    run = suite_run()
    context, config = context_of(run), {"a": {"table": {"x": [1]}}}

    class Vandal(Witness):
        def initialize(self, config: dict[str, Any]) -> None:
            config["table"]["x"].append(2)
            config.clear()

        def process(self, results: Any, symbols: Any, suite_name: str, context: dict[str, Any]) -> None:
            context["datasets"]["orders"]["rows"] = 0
            context["datasources"].append("other")
            context.clear()
            with pytest.raises(TypeError, match="cannot be changed"):
                results[0].tags["env"] = "other"
            with pytest.raises(AttributeError):
                results[0].status = "SUCCESS"
            results.clear()
            symbols.append(None)

    second = Witness()
    outcomes = manager_of(config, a=Vandal(), b=second).process_all(
        run.results, run.symbols, run.suite, context, config
    )
    assert [o.outcome for o in outcomes] == ["ok"] * 4
    assert config == {"a": {"table": {"x": [1]}}}
    assert context == context_of(run)
    assert second.runs == [(list(run.results), list(run.symbols), run.suite, context_of(run))]


def test_the_context_is_a_plain_dict() -> None:
    """Whatever mapping comes in: JSON, pickle and isinstance work."""
    plugin = Witness()
    manager_of(p=plugin).process_all([], [], "s", MappingProxyType({"a": MappingProxyType({"b": [1]})}))
    context = plugin.runs[0][3]
    assert type(context) is dict
    assert json.loads(json.dumps(context)) == pickle.loads(pickle.dumps(context)) == {"a": {"b": [1]}}


def test_a_failing_plugin_is_an_outcome_and_the_others_run() -> None:
    """Type and redacted message are there, with distribution and version where they are known."""
    last = Witness()
    manager = manager_of(
        a=Witness(_fail(ValueError("at postgresql://u:hunter2@h"))), b=Witness(_fail(SystemExit(3))), c=last
    )
    outcomes = run_through(manager)
    failures = [
        (o.plugin, o.phase, o.outcome, o.error_type, o.message) for o in outcomes if o.outcome != "ok"
    ]
    assert failures == [
        ("a", "process", "error", "ValueError", "at postgresql://***@h"),
        ("b", "process", "error", "SystemExit", "3"),
    ]
    assert len(last.runs) == 1


def test_disabled_plugins_are_not_called() -> None:
    """By their configuration, which may come with the run alone; it is an outcome, and no failure."""
    plugin = Witness()
    manager = manager_of(p=plugin)
    (outcome,) = run_through(manager, {"p": {"enabled": False}})
    assert (outcome.phase, outcome.outcome) == ("process", "disabled")
    assert outcome.message == "enabled = false in its configuration"
    assert plugin.configs == plugin.runs == []


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"enabled": "yes"}, "plugin 'p': enabled is 'yes'; it takes true or false"),
        ({"required": 1}, "plugin 'p': required is 1; it takes true or false"),
        ({"order": "first"}, "plugin 'p': order is 'first'; it takes a whole number; lower ones run first"),
        ({"order": True}, "plugin 'p': order is True; it takes a whole number; lower ones run first"),
        ({"timeout": "10s"}, "plugin 'p': timeout is '10s'; it takes a number of seconds, 0.1 to 86,400"),
        ({"timeout": 0}, "plugin 'p': timeout is 0; it takes a number of seconds, 0.1 to 86,400"),
        ({"timeout": -1}, "plugin 'p': timeout is -1; it takes a number of seconds, 0.1 to 86,400"),
        ({"timeout": math.nan}, "plugin 'p': timeout is nan; it takes a number of seconds, 0.1 to 86,400"),
        ({"timeout": math.inf}, "plugin 'p': timeout is inf; it takes a number of seconds, 0.1 to 86,400"),
        ({"timeout": True}, "plugin 'p': timeout is True; it takes a number of seconds, 0.1 to 86,400"),
        (5, "plugin 'p': its configuration is of type int; it takes settings by name"),
        (["a"], "plugin 'p': its configuration is of type list; it takes settings by name"),
    ],
)
def test_wrong_settings_of_the_manager_s_are_that_plugin_s_outcome(own: Any, message: str) -> None:
    """And nothing else: the plugin is not called, the others are."""
    plugin, other = Witness(), Witness()
    outcomes = run_through(manager_of(p=plugin, q=other), {"p": own})
    assert [(o.phase, o.outcome, o.message) for o in outcomes if o.plugin == "p"] == [
        ("initialize", "error", message)
    ]
    assert plugin.configs == []
    assert len(other.runs) == 1


@pytest.mark.parametrize("config", [[], "p", 5, {"p"}])
def test_a_configuration_that_is_no_mapping_is_refused(config: Any) -> None:
    """It is the program's mistake, and nothing has been run yet."""
    with pytest.raises(ConfigurationError, match="it maps a plugin's name to its settings"):
        PluginManager(config, entry_points=())


def test_a_name_that_is_no_text_is_refused() -> None:
    """As it is before a run, so that no plugin pays for it."""
    with pytest.raises(ConfigurationError, match=r"settings for 1; a plugin's name is text") as caught:
        PluginManager({1: {}}, entry_points=())  # type: ignore[dict-item]  # as a program may have it
    assert caught.value.culprit == 1


@pytest.mark.parametrize("total", [0, -1, 0.05, math.nan, math.inf, 10**400, True, "30", None])
def test_a_total_that_is_no_time_is_refused(total: Any) -> None:
    """Seconds, at least a tenth of one."""
    with pytest.raises(
        ConfigurationError, match=r"plugins_timeout.* is .*; it takes a number of seconds, 0\.1 to 86,400"
    ):
        PluginManager(total_timeout=total, entry_points=())


def test_the_time_is_shared_out() -> None:
    """A plugin gets its own time, or half of what is left for all when that is less."""
    members = {name: Witness() for name in "abcd"}
    outcomes = run_through(
        manager_of({"b": {"timeout": 0.5}, "c": {"timeout": 100}}, total_timeout=8, **members)
    )
    granted = {o.plugin: o.timeout_s for o in outcomes if o.phase == "process"}
    assert granted["b"] == 0.5
    assert granted["a"] == pytest.approx(4, abs=0.4)
    assert granted["c"] == pytest.approx(4, abs=0.4)
    assert {o.timeout_s for o in run_through(manager_of(p=Witness()))} == {10.0}


def test_three_that_hang_leave_the_fourth_its_turn() -> None:
    """Half of what is left, again and again: of 30 s it would be 10, 10 and 5."""
    release = threading.Event()
    hung = {name: Witness(lambda: release.wait(30)) for name in "abc"}
    last = Witness()
    started = time.monotonic()
    outcomes = run_through(manager_of(**hung, d=last, total_timeout=3.2))
    assert time.monotonic() - started < 10
    release.set()
    assert [o.outcome for o in outcomes if o.phase == "process"] == ["timed_out"] * 3 + ["ok"]
    granted = [o.timeout_s for o in outcomes if o.phase == "process"]
    assert granted == pytest.approx([1.6, 0.8, 0.4, 0.2], abs=0.1)
    assert len(last.runs) == 1


def test_who_has_no_time_left_is_not_run() -> None:
    """Below a tenth of a second no call is begun."""
    release = threading.Event()
    last = Witness()
    outcomes = run_through(manager_of(a=Witness(lambda: release.wait(30)), b=last, total_timeout=0.3))
    release.set()
    assert endings(outcomes)[1:] == [("a", "process", "timed_out"), ("b", "initialize", "not_run")]
    assert outcomes[-1].message == "no time was left for it"
    assert last.configs == []


def test_the_time_of_a_plugin_is_for_all_its_calls_together() -> None:
    """What initializing took is missing in processing."""
    release = threading.Event()

    class SlowToStart(Witness):
        def initialize(self, config: Any) -> None:
            release.wait(0.45)

    plugin = SlowToStart(lambda: release.wait(30))
    outcomes = run_through(manager_of({"p": {"timeout": 0.7}}, p=plugin))
    release.set()
    initialize, process = outcomes
    assert (initialize.outcome, process.outcome) == ("ok", "timed_out")
    assert initialize.timeout_s == process.timeout_s == 0.7
    assert initialize.duration_s + process.duration_s == pytest.approx(0.7, abs=0.3)


@pytest.mark.parametrize(
    ("spent_s", "left_s", "called"),
    [
        (0.0, 30.0, True),
        (9.95, 30.0, True),
        (9.995, 30.0, False),
        (10.5, 30.0, False),
        (0.0, 0.19, False),
        (0.0, 0.4, True),
    ],
)
def test_how_little_time_is_enough(spent_s: float, left_s: float, called: bool) -> None:
    """A hundredth of a second of a plugin's own, a tenth of the time for all; with less no call is made."""
    manager = manager_of(p=Witness())
    hosted = manager._roster.named("p")
    assert hosted is not None
    hosted.spent_s, manager._round._left_s = spent_s, left_s
    assert (run_through(manager)[0].outcome != "not_run") is called


def test_the_time_is_granted_anew_for_each_run() -> None:
    """A long-lived program runs for ever."""
    manager = manager_of({"p": {"timeout": 0.4}}, p=Witness(lambda: time.sleep(0.15)), total_timeout=1)
    for _ in range(4):
        assert run_through(manager)[-1].outcome == "ok"


def test_a_plugin_that_still_hangs_is_not_called_again_until_it_returns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its late result is thrown away and told once; then it has its turn again."""
    release = threading.Event()
    plugin, other = Witness(lambda: release.wait(30)), Witness()
    manager = manager_of({"p": {"timeout": 0.2}}, p=plugin, q=other)
    assert endings(run_through(manager))[1] == ("p", "process", "timed_out")
    again = run_through(manager)
    assert endings(again) == [("p", "process", "not_run"), ("q", "process", "ok")]
    assert again[0].message == "its previous call has not come back"
    assert len(plugin.runs) == 1
    release.set()
    wait_until(lambda: "came back" in caplog.text)
    assert endings(run_through(manager)) == [("p", "process", "ok"), ("q", "process", "ok")]
    late = [record for record in caplog.records if "came back" in record.message]
    assert len(late) == 1
    assert "thrown away" in late[0].message


def test_one_log_record_for_each_failure(caplog: pytest.LogCaptureFixture) -> None:
    """It names plugin and phase in its text and as fields; the traceback is for the debug level."""
    run_through(manager_of(alone=Witness(_fail(ValueError("boom")))))
    (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING and "alone" in r.getMessage()]
    assert record.getMessage().startswith(
        "Plugin alone failed during processing: ValueError: boom (process, made in code, "
    )
    assert "at test_plugin_manager.py:" in record.getMessage()
    assert record.name == "dqx.plugins"
    assert record.exc_info is None
    fields = {
        name: vars(record)[name] for name in (names.PLUGIN_NAME, names.PLUGIN_PHASE, names.PLUGIN_OUTCOME)
    }
    assert list(fields.values()) == ["alone", "process", "error"]
    assert vars(record)[names.ERROR_TYPE] == "ValueError"


def test_the_traceback_is_in_the_debug_log_and_redacted(caplog: pytest.LogCaptureFixture) -> None:
    """A plugin's author finds the line; nobody finds the password."""
    with caplog.at_level(logging.DEBUG, "dqx.plugins"):
        run_through(
            manager_of(
                {"p": {"password": "sesame"}},
                p=Witness(_fail(ValueError("postgresql://u:hunter2@h, sesame"))),
            )
        )
    assert "Traceback (most recent call last)" in caplog.text
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "ValueError: postgresql://***@h, ***" in logged
    assert "sesame" not in logged.replace('"password": "sesame"', "")


def test_the_planned_phrases_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody greps for them."""
    with caplog.at_level(logging.DEBUG, "dqx.plugins"):
        manager_of().process_all([], [], "s", {})
        run_through(manager_of(p=Witness()))
    assert "No plugins loaded, skipping plugin processing" in caplog.messages
    assert "Processing results through 1 plugin(s)" in caplog.messages
    assert any(message.startswith("Plugin p processed results in 0.0") for message in caplog.messages)


def test_the_logger_is_looked_up_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program may put another in its place."""
    lines: list[str] = []

    class Logger(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    manager = manager_of(p=Witness())
    monkeypatch.setattr(plugins, "logger", Logger("mine", logging.INFO))
    run_through(manager)
    assert any("processed results in" in line for line in lines)


def test_close_shuts_down_in_reverse_order_once() -> None:
    """And only who was initialized; a second close finds nothing to do, a later run starts anew."""
    diary: list[Any] = []
    manager = manager_of(a=Finisher("a", diary), b=Finisher("b", diary), c=Witness(), d=Finisher("d", diary))
    run_through(manager, {"d": {"enabled": False}})
    assert endings(manager.close()) == [("b", "shutdown", "ok"), ("a", "shutdown", "ok")]
    assert manager.close() == ()
    assert [entry[0] for entry in diary if entry[1] == "shutdown"] == ["b", "a"]
    assert ("a", "initialize", "ok") in endings(run_through(manager))


def test_close_never_raises_and_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A second for each, three for all: what fails or hangs there is logged."""
    release = threading.Event()

    class Hangs(Witness):
        def shutdown(self) -> None:
            release.wait(30)

    class Fails(Witness):
        def shutdown(self) -> None:
            raise SystemExit("password=hunter2")

    manager = manager_of(a=Fails(), **{f"h{n}": Hangs() for n in range(4)})
    run_through(manager)
    started = time.monotonic()
    outcomes = manager.close()
    assert time.monotonic() - started < 10
    release.set()
    assert [o.outcome for o in outcomes] == ["timed_out"] * 3 + ["not_run"] * 2
    assert outcomes[0].timeout_s == 1.0
    assert "Plugin h3 failed during shutdown: it did not come back within 1 s" in caplog.text


def test_a_failing_shutdown_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """sys.exit there is no exit, and its text is redacted."""

    class Fails(Witness):
        def shutdown(self) -> None:
            raise SystemExit("password=hunter2")

    with manager_of(p=Fails()) as manager:
        run_through(manager)
    assert "Plugin p failed during shutdown: SystemExit: password=***" in caplog.text


def test_a_manager_that_nobody_closed_leaves_no_thread() -> None:
    """Its threads end when it is gone."""
    manager = manager_of(forgotten=Witness())
    run_through(manager)
    assert any(thread.name == "dqx-plugin-forgotten" for thread in threading.enumerate())
    del manager
    gc.collect()
    wait_until(lambda: not any(thread.name == "dqx-plugin-forgotten" for thread in threading.enumerate()))


# Registering ---------------------------------------------------------------------------------------------------


def test_a_plugin_made_in_code_can_be_registered() -> None:
    """Under a name of its own."""
    plugin = Witness()
    manager = manager_of(mine=plugin)
    assert manager.get_plugins() == {"mine": plugin}


@pytest.mark.parametrize(
    ("name", "plugin", "message"),
    [
        ("taken", Witness(), "plugin 'taken': there is a plugin of this name already; take another"),
        ("dqx_audit", Witness(), "plugin 'dqx_audit': this is the name of a built-in plugin; take another"),
        (
            "other",
            object(),
            "plugin 'other': object does not implement ResultProcessor protocol: it has no method",
        ),
        ("other", Witness, "plugin 'other': Witness is a class; a plugin is an instance of it: Witness()"),
        ("", Witness(), "a plugin's name is text, not ''"),
        (5, Witness(), "a plugin's name is text, not 5"),
    ],
)
def test_what_cannot_be_registered_is_refused(name: Any, plugin: Any, message: str) -> None:
    """It is the program's mistake, and told at once."""
    manager = manager_of(taken=Witness())
    with pytest.raises(ConfigurationError, match="^" + message.replace("(", r"\(").replace(")", r"\)")):
        manager.register(name, plugin)


def test_a_built_in_plugin_made_in_code_takes_the_place_of_the_one_found() -> None:
    """So a program can hand it a provider or a registry of its own."""
    from dqx.plugins.audit import AuditPlugin

    manager = manager_of()
    manager._plugins["dqx_audit"] = found = AuditPlugin()
    mine = AuditPlugin()
    manager.register("dqx_audit", mine)
    assert manager.get_plugins()["dqx_audit"] is mine is not found


def test_a_plugin_put_into_the_dict_is_called_like_any_other() -> None:
    """`_plugins` is a plain dict, name to instance; taking one out of it takes it out."""
    manager = manager_of()
    manager._plugins["p"] = plugin = Witness()
    assert endings(run_through(manager)) == [("p", "initialize", "ok"), ("p", "process", "ok")]
    manager._plugins["p"] = second = Witness()
    assert endings(run_through(manager)) == [("p", "initialize", "ok"), ("p", "process", "ok")]
    assert (len(plugin.runs), len(second.runs)) == (1, 1)
    del manager._plugins["p"]
    assert run_through(manager) == ()


def test_a_configured_plugin_that_is_not_there_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the nearest name; one that is switched off anyway is not missed."""
    manager = manager_of(my_plugin=Witness())
    config = {"my_plugni": {}, "off": {"enabled": False}}
    assert manager.missing(config) == {
        "my_plugni": "plugin 'my_plugni' is configured but not installed; did you mean 'my_plugin'?"
    }
    run_through(manager, config)
    run_through(manager, config)
    # Of this manager's own: a plugin that another test left hanging may come back late, and say so.
    warned = [r.message for r in caplog.records if r.levelname == "WARNING" and "not installed" in r.message]
    assert warned == list(manager.missing(config).values())


# Required plugins ----------------------------------------------------------------------------------------------


def test_a_required_plugin_is_ready_before_the_run() -> None:
    """Loaded and initialized by `prepare`, whose outcomes the run returns; others wait for the run."""
    diary = Witness(), Witness()
    manager = manager_of({"a": {"required": True}}, a=diary[0], b=diary[1])
    manager.prepare()
    assert (diary[0].configs, diary[1].configs) == ([{}], [])
    outcomes = run_through(manager)
    assert endings(outcomes) == [
        ("a", "initialize", "ok"), ("a", "process", "ok"), ("b", "initialize", "ok"), ("b", "process", "ok"),
    ]  # fmt: skip
    assert [o.required for o in outcomes] == [True, True, False, False]


def test_prepare_takes_the_configuration_of_the_run() -> None:
    """As `process_all` does; then a plugin is initialized once."""
    plugin = Witness()
    manager = manager_of(p=plugin)
    config = {"p": {"required": True, "x": 1}}
    manager.prepare(config)
    run_through(manager, config)
    assert plugin.configs == [{"x": 1}]


class _Broken(Witness):
    def initialize(self, config: Any) -> None:
        raise ConnectionError("postgresql://u:hunter2@h is down")


@pytest.mark.parametrize(
    ("name", "own", "message"),
    [
        (
            "absent",
            {},
            "plugin 'absent' is configured but not installed; there are: broken, good; it is required, ",
        ),
        (
            "good",
            {"enabled": False},
            "plugin 'good' is required and disabled: enabled = false in its configuration; ",
        ),
        (
            "good",
            {"timeout": "x"},
            "plugin 'good' is required and not ready: initialize: plugin 'good': timeout is 'x'",
        ),
        (
            "broken",
            {},
            "plugin 'broken' is required and not ready: initialize: ConnectionError: postgresql://***@h is down; ",
        ),
    ],
)
def test_a_required_plugin_that_is_not_ready_refuses_the_run(name: str, own: Any, message: str) -> None:
    """Disabled, not installed or failing: before anything is read, naming the plugin."""
    manager = manager_of(good=Witness(), broken=_Broken())
    with pytest.raises(ConfigurationError) as caught:
        manager.prepare({name: {**own, "required": True}})
    assert str(caught.value).startswith(message)
    assert caught.value.culprit == name
    assert endings(run_through(manager))[0][0] == "broken"  # what was refused leaves nothing behind


def test_a_malformed_required_is_taken_for_required() -> None:
    """In doubt it was meant."""
    with pytest.raises(ConfigurationError, match="required is 'yes'; it takes true or false"):
        manager_of(p=Witness()).prepare({"p": {"required": "yes"}})


def test_a_required_plugin_that_is_denied_refuses_the_run() -> None:
    """The deny-list holds for plugins made in code, too."""
    manager = PluginManager(deny=["p"], entry_points=())
    manager.register("p", Witness())
    assert manager.get_plugins() == {}
    with pytest.raises(
        ConfigurationError, match="plugin 'p' is required and disabled: named in plugins_deny"
    ):
        manager.prepare({"p": {"required": True}})


def test_a_required_plugin_that_hangs_refuses_the_run_in_time() -> None:
    """Within its own deadline."""
    release = threading.Event()

    class Hangs(Witness):
        def initialize(self, config: Any) -> None:
            release.wait(30)

    with pytest.raises(
        ConfigurationError, match=r"initialize: it did not come back within 0\.2 s; nothing was run"
    ):
        manager_of(p=Hangs()).prepare({"p": {"required": True, "timeout": 0.2}})
    release.set()


def test_a_required_plugin_that_fails_later_is_a_failed_delivery() -> None:
    """The outcome says that it was required; the suite does the rest."""
    outcomes = run_through(manager_of({"p": {"required": True}}, p=Witness(_fail(ValueError("x")))))
    assert [(o.phase, o.outcome, o.required) for o in outcomes][-1] == ("process", "error", True)


# Spans ---------------------------------------------------------------------------------------------------------


def test_every_call_is_a_span_below_the_run_s() -> None:
    """A plugin's own spans nest below its call; shutdown, after the run, is below the run's span."""
    seen: dict[str, Any] = {}
    plugin = Finisher("p")
    plugin.process = lambda *run: seen.update(active=get_current_span().get_span_context())
    with recorded_spans() as exporter:
        manager = manager_of(p=plugin)
        with tracing.run_suite("s", "r", date(2024, 1, 31)) as run:
            run_through(manager)
        manager.close()
        spans = {span.name: span for span in exporter.get_finished_spans()}
    assert list(spans) == ["initialize p", "process p", "finish p", "run_suite", "shutdown p"]
    assert seen["active"].span_id == spans["process p"].context.span_id
    for name in ("initialize p", "process p", "finish p", "shutdown p"):
        assert spans[name].parent.span_id == run.get_span_context().span_id
        assert spans[name].attributes[names.PLUGIN_OUTCOME] == "ok"
        assert spans[name].status.status_code is StatusCode.UNSET


def test_a_call_that_does_not_end_well_is_a_span_with_an_error() -> None:
    """With its class and a redacted message; one that was not made has a span, too, and no duration."""
    release = threading.Event()
    with recorded_spans() as exporter:
        manager = manager_of(
            {"c": {"timeout": 0.2}, "d": {"enabled": False}},
            a=Witness(_fail(ValueError("password=hunter2"))), c=Witness(lambda: release.wait(30)), d=Witness(),
        )  # fmt: skip
        run_through(manager)
        run_through(manager)
        release.set()
        spans = [span for span in exporter.get_finished_spans() if span.name.startswith("process")]
    found = [
        (
            s.name,
            s.status.status_code.name,
            s.attributes.get("error.type"),
            s.attributes["dqx.plugin.outcome"],
        )
        for s in spans
    ]
    assert found == [
        ("process a", "ERROR", "ValueError", "error"),
        ("process c", "ERROR", "timeout", "timed_out"),
        ("process d", "UNSET", None, "disabled"),
        ("process a", "ERROR", "ValueError", "error"),
        ("process c", "ERROR", "hanging", "not_run"),
        ("process d", "UNSET", None, "disabled"),
    ]
    assert spans[0].status.description == "password=***"
    assert all(not span.events for span in spans)


# Many at once --------------------------------------------------------------------------------------------------


def test_managers_in_many_threads_do_not_hinder_each_other() -> None:
    """Eight suites in eight threads, each with a manager of its own."""
    outcomes: list[PluginOutcome] = []
    managers = [manager_of(p=Witness(lambda: time.sleep(0.01))) for _ in range(8)]
    threads = [threading.Thread(target=lambda m=m: outcomes.extend(run_through(m))) for m in managers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [o.outcome for o in outcomes] == ["ok"] * 16


def test_one_manager_in_many_threads_takes_turns() -> None:
    """A plugin's calls never overlap, and none is taken for one that hangs."""
    at_once, most = 0, 0

    def act() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.01)
        at_once -= 1

    plugin = Witness(act)
    manager = manager_of(p=plugin)
    threads = [threading.Thread(target=run_through, args=(manager,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(plugin.runs), most) == (6, 1)


def test_a_forked_child_starts_clean() -> None:
    """It has no worker threads and no lock that somebody held; the plugin is initialized again there."""
    program = """
import os, threading
from tests.plugins.stand_ins import Witness, endings, manager_of, run_through
plugin = Witness()
manager = manager_of(p=plugin)
run_through(manager)
manager._lock.acquire()
child = os.fork()
if child == 0:
    done = []
    threading.Thread(target=lambda: done.append(endings(run_through(manager)))).start()
    while not done:
        pass
    os._exit(0 if done == [[("p", "initialize", "ok"), ("p", "process", "ok")]] else 1)
manager._lock.release()
assert os.waitpid(child, 0)[1] == 0
assert endings(run_through(manager)) == [("p", "process", "ok")]
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=40, env=env)


def test_a_child_that_never_used_a_plugin_does_not_shut_it_down() -> None:
    """What the parent opened is the parent's to close."""
    program = """
import os
from tests.plugins.stand_ins import Finisher, manager_of, run_through
plugin = Finisher("p")
manager = manager_of(p=plugin)
run_through(manager)
child = os.fork()
if child == 0:
    os._exit(len(manager.close()))
assert os.waitpid(child, 0)[1] == 0
assert len(manager.close()) == 1
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=40, env=env)


def test_the_context_to_try_a_plugin_on_is_the_real_one() -> None:
    """`dqx.testing` promises plugin authors what a suite gives them: the same keys."""
    import inspect

    source = inspect.getsource(Publication.context)
    for key in context_of(suite_run()):
        assert f'"{key}":' in source
