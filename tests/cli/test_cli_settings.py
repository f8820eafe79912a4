"""Settings of the command line: where they come from, which one counts, and what is said of a wrong one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.cli.command_line import write

from dqx.cli.settings import Settings, read_settings
from dqx.common import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EVERYTHING = """
    db = "sqlite:///quality.db"
    fail_on = "P2"
    timeout = "90s"
    every = "1h"
    label_tags = ["env", "region"]
    plugins_allow = ["dqx_audit"]
    plugins_deny = ["other"]
    plugins_timeout = 2.5
    log_format = "json"
    log_level = "debug"
    format = "json"

    [data]
    flights = "flights.parquet"

    [date_column]
    flights = "time_hour"

    [tags]
    env = "prod"

    [plugins.dqx_audit]
    jsonl_file = "audit.jsonl"
    timeout = 3
"""


def refusal(environ: Mapping[str, str] | None = None) -> str:
    """Return what is said of settings that are wrong; the culprit is the key or the file."""
    with pytest.raises(ConfigurationError) as caught:
        read_settings(environ=environ or {})
    assert caught.value.culprit
    return str(caught.value)


def test_without_a_file_or_a_variable_nothing_is_set(folder: Path) -> None:
    """What nobody sets stays what a suite says itself."""
    assert read_settings(environ={}) == Settings()


def test_a_file_may_set_everything(folder: Path) -> None:
    """Durations are written as everywhere, `plugins_timeout` also as seconds."""
    write(folder / "dqx.toml", EVERYTHING)
    assert read_settings(environ={}) == Settings(
        db="sqlite:///quality.db",
        data={"flights": "flights.parquet"},
        date_column={"flights": "time_hour"},
        tags={"env": "prod"},
        fail_on="P2",
        timeout=timedelta(seconds=90),
        every=timedelta(hours=1),
        label_tags=["env", "region"],
        plugins_allow=["dqx_audit"],
        plugins_deny=["other"],
        plugins_timeout=2.5,
        plugins={"dqx_audit": {"jsonl_file": "audit.jsonl", "timeout": 3}},
        log_format="json",
        log_level="debug",
        format="json",
    )


def test_a_table_of_pyproject_is_a_settings_file(folder: Path) -> None:
    """`dqx.toml` beside it counts first, and other tools' tables do not matter."""
    (folder / "pyproject.toml").write_text('[tool.other]\nx = 1\n[tool.dqx]\nfail_on = "P3"\n')
    assert read_settings(environ={}).fail_on == "P3"
    (folder / "dqx.toml").write_text('fail_on = "P0"\n')
    assert read_settings(environ={}).fail_on == "P0"


def test_the_nearest_file_above_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `pyproject.toml` without `[tool.dqx]` is passed over on the way up."""
    (folder / "dqx.toml").write_text('fail_on = "P3"\n')
    below = folder / "jobs" / "nightly"
    below.mkdir(parents=True)
    (below / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    monkeypatch.chdir(below)
    assert read_settings(environ={}).fail_on == "P3"
    (folder / "jobs" / "dqx.toml").write_text('fail_on = "P0"\n')
    assert read_settings(environ={}).fail_on == "P0"


def test_paths_in_a_file_count_from_its_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or each folder in which `dqx` is started would have a store of its own, without any history."""
    top = folder / "a [b]"
    (top / "jobs").mkdir(parents=True)
    write(
        top / "dqx.toml",
        """
        db = "sqlite:///data/quality.db"
        data = { a = "a.parquet", b = "/abs/b.csv", c = "c/*.parquet", d = "d.duckdb::t", e = "../e.csv" }
        """,
    )
    monkeypatch.chdir(top / "jobs")
    settings = read_settings(environ={})
    assert settings.db == f"sqlite:///{top}/data/quality.db"
    assert settings.data == {
        "a": f"{top}/a.parquet",
        "b": "/abs/b.csv",
        "c": f"{folder}/a [[]b]/c/*.parquet",
        "d": f"{top}/d.duckdb::t",
        "e": f"{top}/../e.csv",
    }


@pytest.mark.parametrize(
    "url", ["sqlite:////abs/q.db", "sqlite://", "sqlite:///:memory:", "postgresql://u@h/q"]
)
def test_a_store_that_has_no_relative_path_stays_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Only a file's place depends on where one stands."""
    (folder / "dqx.toml").write_text(f"db = '{url}'\n")
    (folder / "jobs").mkdir()
    monkeypatch.chdir(folder / "jobs")
    assert read_settings(environ={}).db == url


def test_variables_count_before_the_file(folder: Path) -> None:
    """All that a variable can say well; lists and tags are separated by commas."""
    write(folder / "dqx.toml", EVERYTHING)
    settings = read_settings(
        environ={
            "DQX_DB": "postgresql://u@h/q",
            "DQX_FAIL_ON": "P0",
            "DQX_TIMEOUT": "5m",
            "DQX_EVERY": "7d",
            "DQX_TAGS": "env=dev, team=ops,note=",
            "DQX_LABEL_TAGS": "env,team",
            "DQX_PLUGINS_TIMEOUT": "1m",
            "DQX_LOG_FORMAT": "text",
            "DQX_LOG_LEVEL": "error",
            "DQX_FORMAT": "table",
        }
    )
    assert settings.db == "postgresql://u@h/q"
    assert settings.fail_on == "P0"
    assert (settings.timeout, settings.every) == (timedelta(minutes=5), timedelta(days=7))
    assert settings.tags == {"env": "dev", "team": "ops", "note": ""}
    assert settings.label_tags == ["env", "team"]
    assert settings.plugins_timeout == 60
    assert (settings.log_format, settings.log_level, settings.format) == ("text", "error", "table")
    assert settings.data == {"flights": "flights.parquet"}


def test_variables_that_are_no_settings_are_ignored(folder: Path) -> None:
    """Kubernetes sets some beside a service named dqx, and the plugin manager reads its own; empty is unset."""
    environ = dict.fromkeys(
        ("DQX_PORT", "DQX_SERVICE_HOST", "DQX_SERVICE_PORT", "DQX_PORT_80_TCP", "DQX_DATA", "DQX_PLUGINS"),
        "tcp://10.0.0.1:80",
    )
    environ |= {
        "DQX_PLUGINS_ALLOW": "a",
        "DQX_PLUGINS_DENY": "b",
        "DQX_DISABLE_PLUGINS": "1",
        "DQX_FAIL_ON": "",
    }
    assert read_settings(environ=environ) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fail_onn = 'P1'", "dqx.toml: there is no setting 'fail_onn'; did you mean 'fail_on'?"),
        ("label-tags = ['env']", "there is no setting 'label-tags'; did you mean 'label_tags'?"),
        ("port = 1", "dqx.toml: there is no setting 'port'"),
        ("service_host = 'x'", "dqx.toml: there is no setting 'service_host'"),
        ("fail_on = 'P5'", "dqx.toml: fail_on is 'P5': it should be 'P0', 'P1', 'P2' or 'P3'"),
        ("log_level = 'loud'", "dqx.toml: log_level is 'loud': it should be 'debug', 'info'"),
        ("format = 1", "dqx.toml: format is 1: "),
        ("timeout = 90", "dqx.toml: timeout is 90; write a duration in quotes"),
        ("every = 1.5", "dqx.toml: every is 1.5; write a duration in quotes"),
        ("timeout = '90'", "dqx.toml: timeout: '90' is no duration"),
        ("plugins_timeout = 'x'", "dqx.toml: plugins_timeout: 'x' is no duration"),
        ("plugins_timeout = []", "dqx.toml: plugins_timeout is []: "),
        ("tags = { env = 1 }", "dqx.toml: tags.env is 1: it should be a valid string"),
        ("data = 'x'", "dqx.toml: data is 'x': "),
        ("data = { a = 1 }", "dqx.toml: data.a is 1: "),
        ("db = 5", "dqx.toml: db is 5: "),
        ("label_tags = 'env'", "dqx.toml: label_tags is 'env': "),
        ("plugins = { a = 'xoxb-1' }", "dqx.toml: plugins.a is of type str: it should be a valid dictionary"),
        ("db 5", "dqx.toml is not TOML: "),
        ("db = '\x00'", "dqx.toml is not TOML: "),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_file(folder: Path, text: str, said: str) -> None:
    """What is wrong, where, and what is allowed."""
    (folder / "dqx.toml").write_text(text)
    assert said in refusal()


def test_a_wrong_key_in_pyproject_is_named_with_its_table(folder: Path) -> None:
    """The other tables of the file are not ours to judge."""
    (folder / "pyproject.toml").write_text("[tool.other]\nfail_onn = 1\n[tool.dqx]\nlabel_tag = ['env']\n")
    assert refusal().startswith("pyproject.toml [tool.dqx]: there is no setting 'label_tag'; did you mean")


def test_a_file_above_is_named_by_its_whole_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dqx.toml` alone would be looked for in the wrong place."""
    (folder / "dqx.toml").write_text("fail_onn = 'P1'")
    (folder / "jobs").mkdir()
    monkeypatch.chdir(folder / "jobs")
    assert refusal().startswith(f"{folder}/dqx.toml: there is no setting")


def test_a_file_may_begin_with_the_mark_of_windows(folder: Path) -> None:
    """An editor there writes it before UTF-8, where nobody sees it."""
    (folder / "dqx.toml").write_bytes(b"\xef\xbb\xbffail_on = 'P2'")
    assert read_settings().fail_on == "P2"


def test_a_current_folder_that_was_removed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a job whose release was replaced below it."""
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    assert refusal() == "the current folder is gone; change into one that is there"


def test_a_file_that_is_not_text_is_named(folder: Path) -> None:
    """It is no settings file, and no stack of ours either."""
    (folder / "dqx.toml").write_bytes(b"db = '\xff'")
    assert "dqx.toml is not TOML: it is not text in UTF-8" in refusal()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DQX_FAIL_ON": "P5"}, "DQX_FAIL_ON is 'P5': it should be 'P0', 'P1', 'P2' or 'P3'"),
        ({"DQX_TIMEOUT": "soon"}, "DQX_TIMEOUT: 'soon' is no duration"),
        ({"DQX_TAGS": "env"}, "DQX_TAGS is 'env'; write NAME=VALUE,NAME=VALUE"),
        ({"DQX_TAGS": "=prod"}, "DQX_TAGS is '=prod'"),
        ({"DQX_FORMAT": "xml"}, "DQX_FORMAT is 'xml': "),
    ],
)
def test_a_wrong_variable_is_named(folder: Path, environ: dict[str, str], said: str) -> None:
    """By the variable, not by a key of a file that may not be there."""
    assert said in refusal(environ)


def test_no_password_is_in_what_is_said(folder: Path) -> None:
    """A URL in the wrong place is shown without its secrets."""
    (folder / "dqx.toml").write_text("fail_on = 'postgresql://u:hunter2@h/d'")
    assert "hunter2" not in refusal()
