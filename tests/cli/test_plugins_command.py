"""`dqx plugins` and `dqx plugins check`, tried on distributions that are really there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.plugins.stand_ins import install

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
    from dataclasses import dataclass, field
    @dataclass
    class Options:
        channel: str = field(metadata={"meaning": "where to post"})
        retries: int = field(default=3, metadata={"meaning": "how often to try"})
        api_token: str = field(default="hunter2", metadata={"meaning": "who posts"})
    class Good:
        Settings = Options
        def initialize(self, config): ...
        def process(self, results, symbols, suite_name, context): ...
"""
BROKEN = "raise ImportError('postgresql://u:hunter2@h is down')"
HANGS = "import time\ntime.sleep(60)"
NAMES = "dqx_audit = dqx.plugins.audit:AuditPlugin"


def _dqx(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with the plugins of `folder` and no others."""
    program = f"""
import importlib.metadata, sys
real = importlib.metadata.entry_points
importlib.metadata.entry_points = lambda **params: [
    point for point in real(**params) if str(point.dist.locate_file("")).startswith({str(folder)!r})
]
from dqx.cli.main import main
main()
"""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DQX_", "OTEL_"))
    }
    environment |= {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path]), **variables}
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments], cwd=folder,
        capture_output=True, text=True, check=False, timeout=60, env=environment,
    )  # fmt: skip


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def test_what_is_installed_is_listed(tmp_path: Path) -> None:
    """Name, distribution, version and state; for each its settings with type, default and meaning."""
    install(tmp_path, "good-dist", "good = good_module:Good", good_module=GOOD)
    done = _dqx(tmp_path, "plugins")
    assert (done.returncode, done.stderr) == (0, "")
    rows = _rows(done.stdout)
    assert ["good", "good-dist", "1.2.3", "enabled"] in rows
    assert ["channel", "str", "must", "be", "set", "where", "to", "post"] in rows
    assert ["retries", "int", "3", "how", "often", "to", "try"] in rows
    assert ["api_token", "str", "***", "who", "posts"] in rows
    assert "Every plugin also takes enabled (true), timeout (10 seconds), order" in done.stdout


def test_the_built_in_plugin_is_listed_with_its_settings(tmp_path: Path) -> None:
    """By the same door as anyone's."""
    install(tmp_path, "dqx", NAMES, version="0.1.0")
    done = _dqx(tmp_path, "plugins")
    assert ["dqx_audit", "dqx", "0.1.0", "enabled"] in _rows(done.stdout)
    assert "jsonl_file" in done.stdout


def test_without_plugins_that_is_said(tmp_path: Path) -> None:
    """On stdout, and it is no error."""
    for arguments in (["plugins"], ["plugins", "check"]):
        done = _dqx(tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (0, "No plugin is installed.\n")


@pytest.mark.parametrize(
    ("settings", "variables", "state"),
    [
        ("[plugins.good]\nenabled = false", {}, "disabled: enabled = false in its configuration"),
        ('plugins_deny = ["good"]', {}, "disabled: named in plugins_deny"),
        ('plugins_allow = ["other"]', {}, "disabled: not named in plugins_allow"),
        ("", {"DQX_DISABLE_PLUGINS": "1"}, "disabled: DQX_DISABLE_PLUGINS switches all plugins off"),
        ("", {"DQX_PLUGINS_DENY": "good"}, "disabled: named in DQX_PLUGINS_DENY"),
        (
            "[plugins.good]\ntimeout = 'x'",
            {},
            "broken: plugin 'good': timeout is 'x'; it takes a number of seconds",
        ),
    ],
)
def test_why_a_plugin_does_not_run(
    tmp_path: Path, settings: str, variables: dict[str, str], state: str
) -> None:
    """By which setting or variable, so that somebody finds where to change it."""
    install(tmp_path, "good-dist", "good = good_module:Good", good_module=GOOD)
    (tmp_path / "dqx.toml").write_text(settings)
    done = _dqx(tmp_path, "plugins", **variables)
    assert done.returncode == 0, done.stderr
    assert state in done.stdout


def test_who_was_turned_away_is_listed(tmp_path: Path) -> None:
    """With the reason."""
    install(
        tmp_path,
        "impostor",
        NAMES.replace("dqx.plugins.audit:AuditPlugin", "good_module:Good"),
        good_module=GOOD,
    )
    done = _dqx(tmp_path, "plugins")
    assert done.returncode == 0
    assert "not loaded: 'dqx_audit' is the name of a built-in plugin" in done.stdout


def test_check_passes_when_all_work(tmp_path: Path) -> None:
    """Each is loaded and initialized with its settings; the switched off ones are not imported."""
    install(
        tmp_path,
        "good-dist",
        "good = good_module:Good\noff = bad_module:Bad",
        good_module=GOOD,
        bad_module=BROKEN,
    )
    (tmp_path / "dqx.toml").write_text('[plugins.good]\nchannel = "#data"\n[plugins.off]\nenabled = false')
    done = _dqx(tmp_path, "plugins", "check")
    assert (done.returncode, done.stderr) == (0, "")
    good, off = _rows(done.stdout)[-2:]
    assert good[:4] == ["good", "good-dist", "1.2.3", "works"]
    assert off[:4] == ["off", "good-dist", "1.2.3", "disabled:"]


@pytest.mark.parametrize(
    ("module", "settings", "said"),
    [
        (BROKEN, "", "broken: load error: ImportError: postgresql://***@h is down"),
        (
            "class Bad: ...",
            "",
            "broken: load error: Bad does not implement ResultProcessor protocol: it has no method",
        ),
        (HANGS, "timeout = 0.5", "broken: load timed out: it did not come back within 0.5 s"),
        (
            GOOD.replace("Good", "Bad"),
            "",
            "broken: initialize error: plugin 'bad': the setting 'channel' is missing",
        ),
        (GOOD.replace("Good", "Bad"), "chanel = 1", "it has no setting 'chanel'; did you mean 'channel'?"),
        (
            GOOD.replace("Good", "Bad"),
            "order = 'x'",
            "broken: initialize error: plugin 'bad': order is 'x'; it takes",
        ),
    ],
)
def test_check_exits_with_2_when_one_is_broken(tmp_path: Path, module: str, settings: str, said: str) -> None:
    """And says which, from where, in which call and why; no secret is in it."""
    install(tmp_path, "bad-dist", "bad = bad_module:Bad", bad_module=module)
    (tmp_path / "dqx.toml").write_text(f"[plugins.bad]\n{settings}")
    done = _dqx(tmp_path, "plugins", "check")
    assert done.returncode == 2
    assert said in done.stdout
    assert "bad-dist" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_a_configured_plugin_that_is_not_installed_is_broken(tmp_path: Path) -> None:
    """On the command line that is an error, with the nearest name."""
    install(tmp_path, "good-dist", "good = good_module:Good", good_module=GOOD)
    (tmp_path / "dqx.toml").write_text('[plugins.good]\nchannel = "#data"\n[plugins.goood]')
    done = _dqx(tmp_path, "plugins", "check")
    assert done.returncode == 2
    assert "Error: plugin 'goood' is configured but not installed; did you mean 'good'?\n" in done.stderr


def test_help_shows_how(tmp_path: Path) -> None:
    """With examples."""
    done = _dqx(tmp_path, "plugins", "--help")
    assert done.returncode == 0
    assert "dqx plugins check" in done.stdout
