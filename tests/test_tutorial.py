"""The tutorial: a reader who types it all, from an empty folder on, sees what it shows, and the alerts fire."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.request import urlopen

from tests.page import Page, page, typed
from tests.servers.processes import free_port
from tests.terminal import Terminal, programs, steady, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.jaeger import Jaeger

PAGE = page("docs/tutorial.md")

PATIENCE = {
    "scrape_interval: 5s": "scrape_interval: 1s",
    "evaluation_interval: 5s": "evaluation_interval: 1s",
    "seconds=10": "seconds=2",
}
"""What the page waits for, and the test does not."""


PROGRAMS = (
    ("prometheus", "prometheus"),
    ("promtool", "promtool"),
    ("alertmanager", "prometheus-alertmanager"),
    ("amtool", "amtool"),
)


def on_free_ports(text: str, jaeger: Jaeger) -> str:
    """Return the page as it reads on a machine where its ports are taken."""
    ours = {port: str(free_port()) for port in ("9464", "9090", "9093")}
    ours |= {"4318": jaeger.http_url.rpartition(":")[2], "16686": jaeger.query_url.rpartition(":")[2]}
    text = re.sub("|".join(ours), lambda port: ours[port[0]], text)
    return text.replace("$ dqx serve ", f"$ dqx serve --port {ours['9464']} ")


def follow(tutorial: Page, screen: Terminal, folder: Path) -> Iterator[str]:
    """Write the page's files and type its commands; yield each once it has printed what is shown."""
    for block in tutorial.blocks:
        if block.file:
            (folder / block.file).write_text(block.text)
            continue
        assert block.language == "console"
        for command, shown in typed(block.text):
            if re.match(r"python3 -m venv|\. \.venv|pip install|jaeger ", command):
                continue  # what stands in for them is there already
            if command.startswith("kill"):
                screen.type(command)  # what servers say when they are ended comes when it comes
            elif command.endswith("&"):
                screen.type(command)
                for line in shown.splitlines():
                    assert screen.wait_for(re.escape(line.partition(" from ")[0])), line
            elif command.startswith(("promtool", "amtool", "curl")):
                screen.type_until(command, shown)
            else:
                code, said = screen.type(command)
                assert steady(said) == steady(shown), command
                assert code == ("FAILED" in shown), said
            yield command


def alerts(command: str) -> set[str]:
    """Return the descriptions of the alerts that the server has which a command asks."""
    address = re.search(r"http://[\d.:]+", command)
    assert address is not None
    with urlopen(f"{address[0]}/api/v1/alerts", timeout=10) as answer:
        return {alert["annotations"]["description"] for alert in json.load(answer)["data"]["alerts"]}


def test_from_an_empty_folder_to_firing_alerts(tmp_path: Path, jaeger: Jaeger) -> None:
    """All of it in one shell, with nothing in the environment: files, servers, bad data, silence, a trace."""
    text = on_free_ports(PAGE.text, jaeger)
    for slow, quick in PATIENCE.items():
        assert slow in text
        text = text.replace(slow, quick)
    quoted = re.search(r"it says: \*(.+?)\*", PAGE.text, re.DOTALL)
    assert quoted is not None
    variables = {
        "PATH": f"{programs(tmp_path / 'bin', *PROGRAMS)}:/usr/bin:/bin",
        "HOME": "/",
        "LC_ALL": "C.UTF-8",
    }
    done, said = 0, set()
    # A short path, as a reader's: a long one would break the lines that name it.
    with TemporaryDirectory(prefix="shop-") as folder, terminal(Path(folder), variables) as screen:
        for command in follow(Page(PAGE.path, text), screen, Path(folder)):
            done += 1
            if "ALERTS" in command:
                said |= alerts(command)
    assert done == 18
    assert " ".join(quoted[1].split()) in said
    names = {span["operationName"] for trace in jaeger.wait_for_traces() for span in trace["spans"]}
    assert {"run_suite", "SELECT orders", "assertion"} <= names
