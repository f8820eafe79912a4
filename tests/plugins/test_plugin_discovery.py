"""Which plugins are found and loaded, tried on distributions that are really there."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest
from tests.plugins.stand_ins import endings, install, recorded_spans, run_through, wait_until

from dqx.common import ConfigurationError
from dqx.plugins import PluginManager, discovery
from dqx.plugins.discovery import BUILT_INS, Switches, find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = """
    class Good:
        def initialize(self, config): ...
        def process(self, results, symbols, suite_name, context): ...
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of distributions, the only one that has plugins."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = set(sys.modules)
    real = importlib.metadata.entry_points

    def only_here(**params: Any) -> Any:
        return [
            point
            for point in real(**params)
            if point.dist and str(tmp_path) in str(point.dist.locate_file(""))
        ]

    monkeypatch.setattr(importlib.metadata, "entry_points", only_here)
    yield tmp_path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def _problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_installed_plugin_is_loaded(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its distribution and version are known, and the planned phrases are in the log."""
    install(site, "my-dist", "mine = my_module:Good", version="2.0.1", my_module=GOOD)
    with caplog.at_level(logging.INFO, "dqx.plugins"):
        manager = PluginManager()
    assert type(manager.get_plugins()["mine"]).__name__ == "Good"
    assert "Loading plugin: mine" in caplog.messages
    assert "Successfully loaded plugin: mine (load, my-dist 2.0.1)" in caplog.messages
    outcomes = run_through(manager)
    assert endings(outcomes) == [
        ("mine", "load", "ok"),
        ("mine", "initialize", "ok"),
        ("mine", "process", "ok"),
    ]
    assert {(o.distribution, o.version) for o in outcomes} == {("my-dist", "2.0.1")}
    assert [o.phase for o in run_through(manager)] == ["process"]


def test_without_entry_points_there_are_no_plugins(site: Path) -> None:
    """The built-in ones come in by the same door as anyone's."""
    assert PluginManager().get_plugins() == {}


def test_the_entry_points_of_the_caller_are_taken_instead(site: Path) -> None:
    """Tests and programs may bring their own."""
    install(site, "my-dist", "mine = my_module:Good", my_module=GOOD)
    assert PluginManager(entry_points=()).get_plugins() == {}


@pytest.mark.parametrize(
    ("source", "error_type", "message"),
    [
        (
            "import a_module_that_is_not_there",
            "ModuleNotFoundError",
            "No module named 'a_module_that_is_not_there'",
        ),
        ("def broken(:", "SyntaxError", "invalid syntax (bad_module.py, line 1)"),
        ("raise SystemExit(3)", "SystemExit", "3"),
        ("1 / 0", "ZeroDivisionError", "division by zero"),
        ("", "AttributeError", "module 'bad_module' has no attribute 'Plugin'"),
        ("Plugin = 5", "dqx.common.ConfigurationError", "bad_module:Plugin is not a class but int"),
        ("class Plugin:\n    def __init__(self): raise OSError('no')", "OSError", "no"),
        (
            "class Plugin:\n    def __init__(self, x): ...",
            "TypeError",
            "missing 1 required positional argument: 'x'",
        ),
        (
            "class Plugin: ...",
            "dqx.common.ConfigurationError",
            "Plugin does not implement ResultProcessor protocol: it has no method initialize(config)",
        ),
        (
            GOOD.replace("Good", "Plugin").replace(", context", ""),
            "dqx.common.ConfigurationError",
            "process() lacks the argument 'context'",
        ),
        (
            GOOD.replace("Good:", "Plugin:\n        Settings = 5"),
            "dqx.common.ConfigurationError",
            "its attribute Settings is neither a pydantic model nor a dataclass",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_reported_once_and_the_others_load(
    site: Path, caplog: pytest.LogCaptureFixture, source: str, error_type: str, message: str
) -> None:
    """With distribution, version and what is wrong; each run's outcomes say it again, the log does not."""
    install(site, "bad-dist", "bad = bad_module:Plugin", bad_module=source)
    install(site, "good-dist", "good = good_module:Good", good_module=GOOD)
    manager = PluginManager()
    assert list(manager.get_plugins()) == ["good"]
    first, second = run_through(manager), run_through(manager)
    for outcomes in (first, second):
        (bad,) = [o for o in outcomes if o.plugin == "bad"]
        assert (bad.phase, bad.outcome, bad.error_type) == ("load", "error", error_type)
        assert message in (bad.message or "")
    assert ("good", "process", "ok") in endings(second)
    (logged,) = _problems(caplog)
    assert logged.startswith(f"Failed to load plugin bad: {error_type}: ")
    assert message in logged
    assert "(load, bad-dist 1.2.3" in logged


def test_of_two_plugins_with_one_name_the_first_stays(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A warning names both, with version."""
    install(site, "a-dist", "same = a_module:Good", version="1.0", a_module=GOOD)
    install(site, "b-dist", "same = b_module:Good", version="2.0", b_module=GOOD)
    points = sorted(discovery.installed(), key=lambda point: point.dist.name)
    manager = PluginManager(entry_points=points)
    assert [type(plugin).__module__ for plugin in manager.get_plugins().values()] == ["a_module"]
    assert _problems(caplog) == [
        "Plugin same of b-dist 2.0 is not loaded: the name is taken by a-dist 1.0, which was found first"
    ]
    assert "b_module" not in sys.modules


def test_one_entry_point_that_is_found_twice_is_no_duplicate(
    site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder may stand on the path twice."""
    install(site, "my-dist", "mine = my_module:Good", my_module=GOOD)
    points = list(discovery.installed())
    assert list(PluginManager(entry_points=points * 2).get_plugins()) == ["mine"]
    assert _problems(caplog) == []


@pytest.mark.parametrize("name", BUILT_INS)
def test_a_built_in_plugin_s_name_cannot_be_taken(
    site: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Whoever comes first: only the distribution `dqx` may bring it."""
    install(site, "impostor", f"{name} = bad_module:Good", bad_module=GOOD)
    assert PluginManager().get_plugins() == {}
    assert _problems(caplog) == [
        f"Plugin {name} of impostor 1.2.3 is not loaded: '{name}' is the name of a built-in plugin"
    ]
    assert "bad_module" not in sys.modules


def test_the_built_in_plugin_itself_comes_from_dqx(site: Path) -> None:
    """By an entry point like anyone's."""
    install(site, "dqx", "dqx_audit = dqx.plugins.audit:AuditPlugin", version="9.9")
    manager = PluginManager()
    assert type(manager.get_plugins()["dqx_audit"]).__name__ == "AuditPlugin"


# Switches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "environment", "loaded"),
    [
        ({}, {}, ["a", "b"]),
        ({"allow": ["a"]}, {}, ["a"]),
        ({"allow": []}, {}, []),
        ({"deny": ["a"]}, {}, ["b"]),
        ({"allow": ["a", "b"], "deny": ["b"]}, {}, ["a"]),
        ({}, {"DQX_PLUGINS_ALLOW": "a"}, ["a"]),
        ({}, {"DQX_PLUGINS_ALLOW": " a , b "}, ["a", "b"]),
        ({}, {"DQX_PLUGINS_ALLOW": ""}, ["a", "b"]),
        ({}, {"DQX_PLUGINS_DENY": "a,b"}, []),
        ({"allow": ["b"]}, {"DQX_PLUGINS_ALLOW": "a"}, []),
        ({"deny": ["b"]}, {"DQX_PLUGINS_DENY": "a"}, []),
        ({}, {"DQX_DISABLE_PLUGINS": "1"}, []),
        ({}, {"DQX_DISABLE_PLUGINS": "true"}, []),
        ({}, {"DQX_DISABLE_PLUGINS": "0"}, ["a", "b"]),
        ({}, {"DQX_DISABLE_PLUGINS": ""}, ["a", "b"]),
        ({"config": {"a": {"enabled": False}}}, {}, ["b"]),
        ({"config": {"a": {"enabled": "maybe"}}}, {}, ["b"]),
        ({}, {"DQX_PORT": "tcp://1.2.3.4:80", "DQX_PLUGINS_TIMEOUT": "1"}, ["a", "b"]),
    ],
)
def test_what_is_switched_off_is_not_imported(
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Any,
    environment: dict[str, str],
    loaded: list[str],
) -> None:
    """By setting, by variable, by configuration; an operator's list and a program's both hold."""
    install(site, "dist", "a = mod_a:Good\nb = mod_b:Good", mod_a=GOOD, mod_b=GOOD)
    for name in ("DQX_DISABLE_PLUGINS", "DQX_PLUGINS_ALLOW", "DQX_PLUGINS_DENY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert list(PluginManager(**arguments).get_plugins()) == loaded
    assert [name for name in ("a", "b") if f"mod_{name}" in sys.modules] == loaded


def test_why_a_plugin_is_switched_off_is_an_outcome(site: Path) -> None:
    """Whoever looks at the run sees that it is there and does nothing."""
    install(site, "dist", "a = mod_a:Good", mod_a=GOOD)
    (outcome,) = run_through(PluginManager(deny=["a"]))
    assert (outcome.phase, outcome.outcome, outcome.message) == ("load", "disabled", "named in plugins_deny")
    (outcome,) = run_through(PluginManager({"a": {"enabled": False}}))
    assert (outcome.phase, outcome.outcome) == ("load", "disabled")


@pytest.mark.parametrize(
    ("environment", "allow", "reason"),
    [
        ({"DQX_DISABLE_PLUGINS": "yes"}, None, "DQX_DISABLE_PLUGINS switches all plugins off"),
        ({"DQX_PLUGINS_ALLOW": "b"}, None, "not named in DQX_PLUGINS_ALLOW"),
        ({"DQX_PLUGINS_DENY": "a"}, None, "named in DQX_PLUGINS_DENY"),
        ({}, ["b"], "not named in plugins_allow"),
        ({}, ["a"], None),
    ],
)
def test_the_reason_names_the_switch(environment: dict[str, str], allow: Any, reason: str | None) -> None:
    """So that somebody finds where to change it."""
    assert Switches.read(allow, None, environment).refusal("a") == reason


@pytest.mark.parametrize("names", ["dqx_audit", 5, [1], {"a": 1}.values()])
def test_a_list_of_names_must_be_one(names: Any) -> None:
    """A text would be taken for a list of its letters."""
    with pytest.raises((ConfigurationError, TypeError)):
        PluginManager(allow=names, entry_points=())


# What may be wrong with metadata -------------------------------------------------------------------------------


def test_discovery_that_fails_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Broken metadata of any package must not stop a run."""

    def broken(**params: Any) -> Any:
        raise OSError("password=hunter2")

    monkeypatch.setattr(importlib.metadata, "entry_points", broken)
    assert PluginManager().get_plugins() == {}
    assert "Failed to discover plugins: password=***" in caplog.text


def test_an_entry_point_without_readable_metadata_is_loaded_all_the_same() -> None:
    """Nobody knows where it came from, then."""

    class Plugin:
        def initialize(self, config: Any) -> None: ...
        def process(self, results: Any, symbols: Any, suite_name: Any, context: Any) -> None: ...

    point = MagicMock(load=lambda: Plugin)
    point.name = "mine"
    type(point).dist = property(lambda self: 1 / 0)
    manager = PluginManager(entry_points=[point])
    assert list(manager.get_plugins()) == ["mine"]
    assert {(o.distribution, o.version) for o in run_through(manager)} == {(None, None)}


def test_find_imports_nothing(site: Path) -> None:
    """Names, distributions and versions are in the metadata."""
    install(site, "dist", "a = mod_a:Good", mod_a=GOOD)
    found, turned_away = find(discovery.installed(), Switches())
    assert (list(found), turned_away) == (["a"], [])
    assert "mod_a" not in sys.modules


# When plugins are loaded ---------------------------------------------------------------------------------------


def test_a_lazy_manager_loads_a_plugin_when_it_is_its_turn(site: Path) -> None:
    """What crashes at import finds the audit record of those before it already made."""
    noting = """
    import builtins
    builtins.diary.append(__name__)
    class Good:
        def initialize(self, config): ...
        def process(self, *run): builtins.diary.append("process " + __name__)
    """
    import builtins

    diary: list[str] = []
    builtins.diary = diary
    install(
        site,
        "dist",
        "a = mod_a:Good\nb = mod_b:Good\nc = mod_c:Good",
        mod_a=noting,
        mod_b=noting,
        mod_c=noting,
    )
    try:
        manager = PluginManager({"c": {"required": True}}, lazy=True)
        assert diary == []
        manager.prepare()
        assert diary == ["mod_c"]
        outcomes = run_through(manager)
    finally:
        del builtins.diary
    assert diary == ["mod_c", "mod_a", "process mod_a", "mod_b", "process mod_b", "process mod_c"]
    assert [entry[:2] for entry in endings(outcomes)][:3] == [
        ("c", "load"),
        ("c", "initialize"),
        ("a", "load"),
    ]


def test_loading_is_a_span_and_bounded(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A module that hangs while it is imported costs its own time, and has another try when it is back."""
    hanging = "import time\ntime.sleep(0.6)\n" + GOOD.replace("\n    ", "\n")
    install(site, "dist", "slow = slow_module:Good", slow_module=hanging)
    with recorded_spans() as exporter:
        manager = PluginManager({"slow": {"timeout": 0.2}})
        first = run_through(manager)
        assert endings(first) == [("slow", "load", "timed_out")]
        wait_until(lambda: "Plugin slow came back from load" in caplog.text)
        (late,) = [record for record in caplog.records if "came back" in record.getMessage()]
        fields = ("dqx.plugin.name", "dqx.plugin.distribution", "dqx.plugin.phase", "dqx.plugin.outcome")
        assert [vars(late)[name] for name in fields] == ["slow", "dist", "load", "timed_out"]
        assert endings(run_through(manager))[-1] == ("slow", "process", "ok")
        spans = [span.name for span in exporter.get_finished_spans()]
    assert spans == ["load slow", "load slow", "initialize slow", "process slow"]
