"""Settings that a plugin declares: checked, converted, described, and never a secret shown."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

import pydantic
import pytest
from pydantic import BaseModel, Field, SecretStr, field_validator

from dqx.common import ConfigurationError
from dqx.plugins.declared import Setting, describe, initialize, model_of, secrets_of, validated
from dqx.plugins.prometheus import PrometheusSettings
from dqx.plugins.settings import read


class Table(BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    retries: int = 3
    token: str = ""


class Model(BaseModel):
    """Settings as a plugin of somebody's would declare them."""

    url: str = Field(description="where to send")
    port: int = Field(default=25, ge=1, le=65535, description="port of the server")
    level: Literal["all", "failed"] = "failed"
    api_key: SecretStr | None = None
    dsn: SecretStr = SecretStr("")
    wait: timedelta = timedelta(seconds=5)
    table: Table = Table()
    sender: str = Field(default="dqx", alias="from")

    @field_validator("url")
    @classmethod
    def _no_spaces(cls, url: str) -> str:
        if " " in url:
            raise ValueError(f"no spaces, please: {url}")
        return url


@dataclass(frozen=True)
class Inner:
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    retries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Settings as a built-in plugin declares them."""

    file: Path = field(default=Path("audit.log"), metadata={"meaning": "where to write"})
    mode: int = 0o600
    password: str = "sesame"
    names: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)


class WithModel:
    Settings = Model

    def __init__(self) -> None:
        self.config: dict[str, Any] | None = None

    def initialize(self, config: dict[str, Any]) -> None:
        self.config = config


class WithData(WithModel):
    Settings = Data


class Without(WithModel):
    Settings = None


def test_a_plugin_without_a_declaration_gets_what_was_written() -> None:
    """As it stands, whatever it is."""
    plugin = Without()
    initialize(plugin, "p", {"anything": [1, {"goes": None}]})
    assert plugin.config == {"anything": [1, {"goes": None}]}


def test_values_come_as_the_types_say_and_only_those_that_were_set() -> None:
    """So that the plugin makes its settings of them, and its defaults hold for the rest."""
    plugin = WithModel()
    initialize(
        plugin,
        "p",
        {"url": "http://h", "port": "2525", "api_key": "k1k1", "table": {"retries": 1}, "from": "me"},
    )
    assert plugin.config == {
        "url": "http://h", "port": 2525, "api_key": SecretStr("k1k1"), "table": Table(retries=1), "from": "me",
    }  # fmt: skip
    assert Model(**plugin.config).port == 2525


def test_a_dataclass_declares_settings_too() -> None:
    """Lists of a settings file become tuples, texts become paths, tables become what they are declared as."""
    plugin = WithData()
    initialize(plugin, "p", {"file": "x.log", "names": ["a"], "inner": {"retries": 1}})
    assert plugin.config == {"file": Path("x.log"), "names": ("a",), "inner": Inner(1)}
    assert Data(**plugin.config).mode == 0o600


@pytest.mark.parametrize(
    ("own", "key", "message"),
    [
        ({"url": "u", "prot": 1}, "prot", "it has no setting 'prot'; did you mean 'port'?"),
        (
            {"url": "u", "zzzzz": "hunter2"},
            "zzzzz",
            "it has no setting 'zzzzz'; there are: api_key, dsn, from, level, ",
        ),
        ({"url": "u", 5: 1}, 5, "it has no setting '5'; there are: api_key, "),
        ({}, "url", "the setting 'url' is missing"),
        ({"port": 1}, "url", "the setting 'url' is missing"),
        ({"url": 5}, "url", "url is 5: Input should be a valid string"),
        ({"url": "u", "port": "many"}, "port", "port is 'many': Input should be a valid integer"),
        ({"url": "u", "port": 0}, "port", "port is 0: Input should be greater than or equal to 1"),
        ({"url": "u", "level": "some"}, "level", "level is 'some': Input should be 'all' or 'failed'"),
        ({"url": "u", "table": {"retry": 1}}, "table.retry", "it has no setting 'table.retry'"),
        (
            {"url": "u", "table": {"retries": "x"}},
            "table.retries",
            "table.retries is 'x': Input should be a valid integer",
        ),
        (
            {"url": "u", "table": "x"},
            "table",
            "table is 'x': Input should be a valid dictionary or instance of Table",
        ),
        ({"port": 0}, "url", "the setting 'url' is missing (and 1 more)"),
        (
            {"url": "postgresql://u:hunter2@h x"},
            "url",
            "url is 'postgresql://***@h x': no spaces, please: ",
        ),
        (
            {"url": "u", "api_key": ["hunter2"]},
            "api_key",
            "api_key is (a secret, not shown): Input should be a valid str",
        ),
        ({"url": "u", "dsn": 5}, "dsn", "dsn is (a secret, not shown): Input should be a valid string"),
        (
            {"url": "u", "table": {"token": ["hunter2"]}},
            "table.token",
            "table.token is (a secret, not shown): Input shoul",
        ),
        ({"url": "u", "port": "x" * 10_000}, "port", "port is 'xxx"),
        ({"url": "u", "port": None}, "port", "port is None: Input should be a valid integer"),
        (
            {"url": "u", "port": 2**70},
            "port",
            "port is 1180591620717411303424: Input should be less than or equal",
        ),
        ({"url": "u", "port": float("nan")}, "port", "port is nan: Input should be"),
    ],
)
def test_a_wrong_setting_is_named(own: dict[Any, Any], key: object, message: str) -> None:
    """Plugin, key, value and what is allowed; never a secret; of several, the first and how many more."""
    with pytest.raises(ConfigurationError) as caught:
        initialize(WithModel(), "mine", own)
    assert str(caught.value).startswith(f"plugin 'mine': {message}")
    assert caught.value.culprit == key
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"modus": 1}, "plugin 'mine': it has no setting 'modus'; did you mean 'mode'?"),
        ({"mode": "x"}, "plugin 'mine': mode is 'x': Input should be a valid integer"),
        (
            {"inner": {"retry": 1}},
            "plugin 'mine': it has no setting 'inner.retry'; did you mean 'retries'?",
        ),
        ({"password": 5}, "plugin 'mine': password is (a secret, not shown): Input should be a valid string"),
    ],
)
def test_a_dataclass_is_as_strict(own: dict[str, Any], message: str) -> None:
    """A nested one says that it takes no more by `__pydantic_config__`."""
    with pytest.raises(ConfigurationError, match="^" + re.escape(message)):
        initialize(WithData(), "mine", own)


def test_a_model_may_take_anything_more() -> None:
    """Where it says so."""

    class Open(BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        port: int = 25

    assert validated("p", Open, {"port": "1", "more": [1]}) == {"port": 1, "more": [1]}


def test_nothing_set_imports_no_pydantic() -> None:
    """A run whose plugins are not configured does without its 40 ms, where the declaration is a dataclass."""
    program = """
import sys
from dataclasses import dataclass
from dqx.plugins import PluginManager
from dqx.testing import manager_with, suite_run, deliver
@dataclass
class Options:
    port: int = 25
class Plugin:
    Settings = Options
    def initialize(self, config): assert config == {}
    def process(self, results, symbols, suite_name, context): ...
assert [o.outcome for o in deliver(Plugin())] == ["ok", "ok"]
assert "pydantic" not in sys.modules
assert [o.outcome for o in deliver(Plugin(), config={"port": 1})] != ["ok", "ok"]  # the assertion in it fails
assert "pydantic" in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (5, "its attribute Settings is neither a pydantic model nor a dataclass"),
        (dict, "its attribute Settings is neither a pydantic model nor a dataclass"),
        (
            pydantic.create_model("M", timeout=(int, 5)),
            "its Settings have 'timeout', which it would never get: enabled, ",
        ),
    ],
)
def test_a_wrong_declaration_is_refused(declared: Any, message: str) -> None:
    """A field that the manager keeps for itself would never be set."""
    plugin = type("Plugin", (), {"Settings": declared})()
    with pytest.raises(ConfigurationError, match=message):
        model_of(plugin)


def test_settings_are_described_for_people() -> None:
    """Name, type, default and meaning, of tables too; a secret default is not shown, what must be set has none."""
    assert describe(Model) == [
        Setting("url", "str", None, "where to send"),
        Setting("port", "int", "25", "port of the server"),
        Setting("level", "Literal['all', 'failed']", "'failed'", ""),
        Setting("api_key", "SecretStr | None", "None", ""),
        Setting("dsn", "SecretStr", "SecretStr('')", ""),
        Setting("wait", "timedelta", "datetime.timedelta(seconds=5)", ""),
        Setting("table", "Table", "Table(retries=3, token=***)", ""),
        Setting("table.retries", "int", "3", ""),
        Setting("table.token", "str", "''", ""),
        Setting("from", "str", "'dqx'", ""),
    ]
    assert describe(Data) == [
        Setting("file", "Path", "audit.log", "where to write"),
        Setting("mode", "int", "384", ""),
        Setting("password", "str", "***", ""),
        Setting("names", "tuple[str, ...]", "()", ""),
        Setting("inner", "Inner", "Inner(retries=3)", ""),
        Setting("inner.retries", "int", "3", ""),
    ]
    assert describe(None) == []


def test_settings_are_read_while_another_thread_imports_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that begin at once on several threads all have their plugins."""
    halfway = ModuleType("pydantic")  # as it is found before its import has come to an end
    monkeypatch.setitem(sys.modules, "pydantic", halfway)
    monkeypatch.delitem(sys.modules, "pydantic.main", raising=False)
    assert [setting.name for setting in describe(PrometheusSettings)][:2] == ["registry", "http"]


def test_secrets_are_known_by_name_and_by_type() -> None:
    """`dsn` is one because the model says so."""
    own = {
        "api_key": "key1",
        "dsn": "dsn1",
        "url": "http://u:pass1@h",
        "level": "all",
        "table": {"token": "tok1"},
    }
    assert secrets_of(WithModel(), own) == {"key1", "dsn1", "pass1", "tok1"}
    assert secrets_of(Without(), own) == {"key1", "pass1", "tok1"}
    assert secrets_of(type("Wrong", (), {"Settings": 5})(), own) == {"key1", "pass1", "tok1"}


def test_reading_never_raises() -> None:
    """Wrong settings are that plugin's outcome; in doubt it was meant to be required."""
    assert read("p", {}).wrong is None
    assert read("p", {"p": None}).wrong is None
    wrong = read("p", {"p": {"order": 1.5, "required": True, "mine": 1}})
    assert "order is 1.5" in str(wrong.wrong)
    assert wrong.required
    assert read("p", {"p": {"required": "no"}}).required
    assert not read("p", {"p": {"required": False, "order": "x"}}).required
    assert "timeout is 1000" in str(read("p", {"p": {"timeout": 10**400}}).wrong)
    assert "timeout is <int>" in str(read("p", {"p": {"timeout": 10**5000}}).wrong)


class Pin(SecretStr):
    """A secret of a type of its own."""


class Target(BaseModel):
    pin: Pin = Pin("")
    weight: int = 1


@dataclass(frozen=True)
class Call:
    secret_number: int = 0
    code: SecretStr | None = None


class Nested(BaseModel):
    target: Target | None = None
    targets: list[Target] = []
    named: dict[str, Target | Call] = {}


@pytest.mark.parametrize(
    "own",
    [
        {"target": {"pin": "hunter2"}},
        {"targets": [{"weight": 1}, {"pin": "hunter2"}]},
        {"named": {"first": {"pin": "hunter2"}}},
        {"named": {"first": {"code": "hunter2"}}},
    ],
)
def test_secrets_of_tables_are_known_by_their_type_too(own: dict[str, Any]) -> None:
    """Whatever the key is called, and wherever the table stands."""
    plugin = type("Plugin", (), {"Settings": Nested})()
    assert secrets_of(plugin, own) == {"hunter2"}


def test_a_wrong_value_of_a_secret_in_a_table_is_not_shown() -> None:
    """Short as it may be."""
    with pytest.raises(ConfigurationError, match=r"targets\.0\.pin is \(a secret, not shown\): ") as caught:
        validated("p", Nested, {"targets": [{"pin": 123}]})
    assert "123" not in str(caught.value)


class Aliased(BaseModel):
    url: str = Field(validation_alias=pydantic.AliasChoices("url", "endpoint"))
    host: str = Field(default="h", validation_alias=pydantic.AliasPath("server", "host"))
    count: int = Field(default=1, alias="number")


def test_every_alias_of_a_setting_is_taken_and_no_other_name() -> None:
    """The name of a field that has an alias would be ignored by pydantic, and so is refused."""
    own = {"endpoint": "u", "server": {"host": "x"}, "number": "2"}
    given = validated("p", Aliased, own)
    assert given == {"endpoint": "u", "server": {"host": "x"}, "number": 2}
    assert Aliased(**given) == Aliased(url="u", server={"host": "x"}, number=2)
    with pytest.raises(ConfigurationError, match="it has no setting 'count'"):
        validated("p", Aliased, {"url": "u", "count": 5})
    assert [setting.name for setting in describe(Aliased)] == ["url", "server", "number"]


class ByName(BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)
    count: int = Field(default=1, alias="number")


def test_a_model_may_take_the_name_beside_the_alias() -> None:
    """Where it says so."""
    assert validated("p", ByName, {"count": "2"}) == {"count": 2}
    assert validated("p", ByName, {"number": "2"}) == {"number": 2}


@pydantic.dataclasses.dataclass
class OfPydantic:
    url: str = Field(description="where to send")
    port: int = Field(default=25, gt=0)


def test_a_dataclass_of_pydantic_s_declares_settings_too() -> None:
    """With its own fields: what must be set, defaults, and what they mean."""
    assert describe(OfPydantic) == [
        Setting("url", "str", None, "where to send"),
        Setting("port", "int", "25", ""),
    ]
    with pytest.raises(ConfigurationError, match="the setting 'url' is missing"):
        validated("p", OfPydantic, {})


class Node(BaseModel):
    name: str = "root"
    children: list[Node] = []


class Computed(BaseModel):
    folder: Path = Field(default_factory=lambda: Path("/nowhere").readlink())


def test_what_cannot_be_told_of_a_settings_class_costs_nothing_else() -> None:
    """A table that holds tables of its own kind, and a default that is made when it is needed."""
    assert describe(Node) == [
        Setting("name", "str", "'root'", ""),
        Setting("children", "list[Node]", "[]", ""),
    ]
    assert describe(Computed) == [Setting("folder", "Path", "(computed)", "")]


def test_a_token_in_the_place_of_settings_is_not_shown() -> None:
    """Its type is enough to see what is wrong."""
    wrong = str(read("p", {"p": "xoxb-hunter2"}).wrong)
    assert wrong == "plugin 'p': its configuration is of type str; it takes settings by name"
