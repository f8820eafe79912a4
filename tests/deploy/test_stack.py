"""`make stack`: the servers of deploy/ come up, an alert arrives and ends, and all of it ends with Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from examples.stack.servers import DEPLOY, PORTS, PROGRAMS, free_addresses, here, quick
from tests.page import ROOT
from tests.servers.processes import answers, binary

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def stack(folder: Path, screen: Path, *options: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run what `make stack` runs, on a screen that is a file; end it, however the test ends."""
    command = [sys.executable, "-m", "examples.stack", "--folder", str(folder), *options]
    with screen.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **variables}, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for(screen: Path, pattern: str) -> re.Match[str]:
    """Wait until a line is on the screen."""
    give_up_at = time.monotonic() + 90
    while (found := re.search(pattern, screen.read_text())) is None:
        assert time.monotonic() < give_up_at, f"{pattern!r} is not there:\n{screen.read_text()}"
        time.sleep(0.1)
    return found


def commands(folder: Path) -> list[list[str]]:
    """Return the command lines of the processes that name a folder, and are not of this test."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue  # it has ended
        if any(str(folder) in word for word in words) and "examples.stack" not in words:
            found.append(words[:-1])
    return found


def flags(words: list[str]) -> set[str]:
    """Return the names of the options in a command line."""
    return {word.partition("=")[0] for word in words if word.startswith("--")}


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to see what runs")
def test_bad_data_is_an_alert_on_the_screen_until_it_is_good_again(tmp_path: Path) -> None:
    """And Ctrl-C leaves nothing behind but the folder."""
    for names in PROGRAMS.values():
        binary(*names)
    folder, screen = tmp_path / "stack", tmp_path / "screen"
    with stack(folder, screen, "--every", "3") as process:
        wait_for(screen, r"run on bad data: FAILED flights")
        wait_for(
            screen, r"ALERT firing    P1 to team-flights: flights,env=demo: 'departure time known' failed"
        )
        started = {Path(words[0]).name.split("-")[-1]: flags(words) for words in commands(folder)}
        urls = re.findall(r"http://127\.0\.0\.1:\d+\S*(?=  )", screen.read_text())
        assert len(urls) == 6
        assert [url for url in urls[:-1] if not answers(url)()] == []  # the last takes no GET
        with stack(folder, tmp_path / "another") as second:
            assert second.wait(60) == 1
        assert "is running" in (tmp_path / "another").read_text()
        wait_for(screen, r"run on good data: PASSED flights")
        wait_for(screen, r"ALERT resolved  P1 to team-flights")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert f"ended; what it kept is in {folder}" in screen.read_text()
    assert "Traceback" not in screen.read_text()
    assert commands(folder) == []
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for service in ("prometheus", "alertmanager"):
        asked = flags(services[service]["command"])
        assert started[service] == asked - {"--storage.tsdb.retention.time"}, "as compose.yaml starts it"


def test_without_the_servers_it_says_what_makes_them(tmp_path: Path) -> None:
    """And ends what it had started by then."""
    nowhere = str(tmp_path / "nowhere")
    variables = {"PATH": nowhere, "XDG_CACHE_HOME": nowhere, "DQX_SERVERS": nowhere}
    with stack(tmp_path / "stack", tmp_path / "screen", **variables) as process:
        assert process.wait(60) == 1
    said = (tmp_path / "screen").read_text()
    assert said.endswith("prometheus-alertmanager is not installed: make servers\n")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Nothing is written where there are files that no stack made."""
    (tmp_path / "thesis.txt").write_text("two years of work")
    done = subprocess.run(
        [sys.executable, "-m", "examples.stack", "--folder", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path} has files in it that are not of a stack; name another --folder\n"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_port_that_is_taken_is_passed_over() -> None:
    """The next free one stands for it, and no address is given twice."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        PORTS["prometheus:9090"], usual = port, PORTS["prometheus:9090"]
        try:
            found = free_addresses()
        finally:
            PORTS["prometheus:9090"] = usual
    assert int(found["prometheus:9090"].partition(":")[2]) > port
    assert len(set(found.values())) == len(PORTS)


@pytest.mark.parametrize("server", ["prometheus", "collector", "jaeger"])
def test_no_address_of_a_container_is_left_in_a_configuration(server: str) -> None:
    """Each is one of this machine."""
    addresses = {name: f"127.0.0.1:{port + 1}" for name, port in PORTS.items()}
    text = here((DEPLOY / f"{server}.yaml").read_text(), server, addresses)
    text = re.sub(r"#.*", "", text)
    assert "0.0.0.0" not in text
    ports = set(re.findall(r"127\.0\.0\.1(?::|, port: )(\d+)", text))
    assert ports
    assert ports <= {str(port + 1) for port in PORTS.values()}
    assert not re.search(r"\b(dqx|prometheus|alertmanager|collector|jaeger):\d", text)


def test_only_what_makes_people_wait_is_cut_short() -> None:
    """What an alert waits for before it fires, and how often it is repeated, stay as shipped."""
    text = "keep_firing_for: 10m\nfor: 15m\ngroup_interval: 5m\nrepeat_interval: 12h\nscrape_interval: 15s\n"
    assert quick(text, 5) == (
        "keep_firing_for: 5s\nfor: 15m\ngroup_interval: 5s\nrepeat_interval: 12h\nscrape_interval: 5s\n"
    )
