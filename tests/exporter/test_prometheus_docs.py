"""The guide to Prometheus does what it says, from its first command to its last."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.exporter.conftest import fetch
from tests.page import Page, page, typed
from tests.servers.processes import binary, free_port

from dqx.exporter import in_process

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = page("docs/prometheus.md")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, `dqx` on PATH, and no settings in the environment."""
    for name in [*os.environ]:
        if name.startswith(("DQX_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    in_process.stop()
    sys.modules.pop("checks", None)


def test_a_reader_who_types_it_all_gets_what_it_says(folder: Path) -> None:
    """Files are written, commands run, and their output is the one that is shown."""
    ports = {"9464": str(free_port()), "9465": str(free_port())}
    moved = Page(PAGE.path, re.sub(r"946[45]", lambda match: ports[match[0]], PAGE.text))
    started: list[subprocess.Popen[bytes]] = []
    ran = 0
    try:
        for block in moved.blocks:
            if block.file:
                (folder / block.file).write_text(block.text)
            elif block.language == "python":
                exec(compile(block.text, PAGE.path, "exec"), {"__name__": "example"})
            elif block.language == "console":
                for line, shown in typed(block.text):
                    ran += 1
                    if line.endswith("&"):
                        started.append(serve(shlex.split(line.removesuffix("&")), ports["9464"]))
                    elif not line.startswith("pip install"):
                        done = subprocess.run(
                            line, shell=True, capture_output=True, text=True, timeout=60, check=False
                        )
                        assert done.returncode in (0, 1), f"{line}\n{done.stderr}"
                        assert done.stdout == shown or not shown, f"{line}\n{done.stderr}"
    finally:
        for process in started:
            process.terminate()
            process.wait(10)
    assert ran == 9


def serve(command: list[str], port: str) -> subprocess.Popen[bytes]:
    """Start the exporter on another port than its own, and wait until it answers."""
    process = subprocess.Popen([*command, "--port", port], stderr=subprocess.DEVNULL)
    give_up_at = time.monotonic() + 30
    while True:
        try:
            assert fetch(f"http://127.0.0.1:{port}/readyz").status == 200
        except OSError:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        else:
            return process


def test_settings_in_the_text_are_right(folder: Path) -> None:
    """Every table of settings is taken by the command line."""
    from dqx.cli.settings import read_settings
    from dqx.plugins.declared import validated
    from dqx.plugins.prometheus import PrometheusSettings

    found = PAGE.code("toml")
    assert len(found) == 3
    for text in found:
        (folder / "dqx.toml").write_text(text)
        settings = read_settings(folder)
        validated("dqx_prometheus", PrometheusSettings, settings.plugins.get("dqx_prometheus", {}))


def test_promtool_takes_the_scrape_configuration(folder: Path) -> None:
    """As Prometheus would."""
    promtool = binary("promtool")
    (text,) = PAGE.code("yaml")
    (folder / "prometheus.yml").write_text(text)
    subprocess.run([promtool, "check", "config", folder / "prometheus.yml"], check=True)
