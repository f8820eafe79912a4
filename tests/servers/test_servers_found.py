"""How tests find the servers that they start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.servers.processes import binary

if TYPE_CHECKING:
    from pathlib import Path

NAMED, ON_PATH, CACHE = "named", "path", "cache/dqx/servers"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have nothing installed: the folders that are looked into are here, and empty."""
    for folder in (NAMED, ON_PATH, CACHE):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("DQX_SERVERS", str(tmp_path / NAMED))
    monkeypatch.setenv("PATH", str(tmp_path / ON_PATH))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def put(folder: Path, name: str, version: str = "") -> Path:
    """Put a program into a folder, which says its version as Prometheus does."""
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{name}, version {version} (branch: )'\n")
    program.chmod(0o755)
    return program


def test_the_named_folder_comes_before_path_and_path_before_the_cache(home: Path) -> None:
    """Each is found when those before it have none."""
    for folder in (CACHE, ON_PATH, NAMED):
        program = put(home / folder, "amtool")
        assert binary("amtool") == program


def test_a_program_may_have_another_name(home: Path) -> None:
    """Debian puts its own before that of the project."""
    program = put(home / ON_PATH, "node_exporter")
    assert binary("prometheus-node-exporter", "node_exporter") == program


@pytest.mark.parametrize("name", ["prometheus", "promtool"])
@pytest.mark.parametrize("version", ["2.42.0+ds", "1.8.2", "0.20.0"])
def test_a_prometheus_below_3_does_not_count(home: Path, name: str, version: str) -> None:
    """The one of the cache is taken; it says no version, as `go install` gave it none."""
    put(home / ON_PATH, name, version)
    built = put(home / CACHE, name)
    assert binary(name) == built


@pytest.mark.parametrize("version", ["3.0.0", "3.16.0-rc.1", "10.1.0"])
def test_a_newer_prometheus_does(home: Path, version: str) -> None:
    """Whoever has one need not build it."""
    program = put(home / ON_PATH, "prometheus", version)
    assert binary("prometheus") == program


def test_a_test_whose_server_is_not_there_is_skipped_by_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that installs it."""
    monkeypatch.delenv("CI")
    with pytest.raises(
        pytest.skip.Exception, match="no-such-server is not installed: make servers, or put it on"
    ):
        binary("no-such-server", "another-name")


def test_under_ci_it_fails(home: Path) -> None:
    """There `make servers` has run, and nothing may skip."""
    with pytest.raises(pytest.fail.Exception, match="no-such-server is not installed"):
        binary("no-such-server")
