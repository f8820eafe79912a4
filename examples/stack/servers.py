"""The servers of deploy/compose.yaml as processes of this machine, on 127.0.0.1, by deploy's own configuration."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.servers.processes import find  # the one place that knows where programs are

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DQX = Path(sys.executable).with_name("dqx")

PROGRAMS = {
    "prometheus": ("prometheus",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "jaeger": ("jaeger",),
    "node": ("prometheus-node-exporter", "node_exporter"),
}

PORTS = {
    "prometheus:9090": 9090,
    "alertmanager:9093": 9093,
    "jaeger:16686": 16686,
    "jaeger:16685": 16685,
    "jaeger:13133": 13133,
    "jaeger:4318": 14318,  # 4318 is the Collector's, where runs send
    "collector:4318": 4318,
    "collector:4317": 4317,
    "collector:8888": 8888,
    "dqx:9464": 9464,
    "node:9100": 9100,
    "webhook:9095": 9095,
}
"""Each address that compose.yaml gives a server, and the port of 127.0.0.1 that stands for it here."""


class StartError(Exception):
    """A server could not be started; the text says which, and shows the end of its log."""


def free_addresses() -> dict[str, str]:
    """Return an address of 127.0.0.1 for each of `PORTS`: where its own is taken, the next that is free."""
    found: dict[str, str] = {}
    for name, first in PORTS.items():
        ports = (port for port in itertools.count(first) if f"127.0.0.1:{port}" not in found.values())
        found[name] = f"127.0.0.1:{next(filter(_is_free, ports))}"
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: what the stack before left closing is no reason for another port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def here(text: str, server: str, addresses: dict[str, str]) -> str:
    """Return a server's configuration with the addresses of this machine for those of the containers."""

    def address(match: re.Match[str]) -> str:
        host = server if match[1] == "0.0.0.0" else match[1]
        return addresses.get(f"{host}:{match[2]}", match[0])

    def apart(match: re.Match[str]) -> str:
        host, _, port = addresses[f"{server}:{match[1]}"].partition(":")
        return f"host: {host}, port: {port}"

    text = re.sub(r"\b(0\.0\.0\.0|[a-z]+):(\d+)\b", address, text)
    return re.sub(r"host: 0\.0\.0\.0, port: (\d+)", apart, text)


def quick(text: str, interval_s: int) -> str:
    """Return a configuration or rules with what makes people wait, in production rightly, cut to the interval."""
    waits = "scrape_interval|evaluation_interval|interval|keep_firing_for|group_wait|group_interval"
    return re.sub(rf"\b({waits}): \w+", rf"\1: {interval_s}s", text)


@dataclass(slots=True)
class Stack:
    """Servers as child processes, each in a session of its own, so that Ctrl-C is for the one who started them.

    Attributes:
        folder: Where their configuration, data and logs are.
        addresses: Where each listens, by the name it has in compose.yaml.
        interval_s: Seconds between two scrapes, and two evaluations of the rules.
        rules_as_shipped: Leave the rules as they are, with what they wait for before an alert ends.
    """

    folder: Path
    addresses: dict[str, str]
    interval_s: int
    rules_as_shipped: bool = False
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def url(self, name: str) -> str:
        """Return the URL of a server's address."""
        return f"http://{self.addresses[name]}"

    def start(self) -> None:
        """Start the servers of others, and wait until each is ready.

        Raises:
            StartError: When one is not installed, or does not come up.
        """
        self._alertmanager()
        self._jaeger()
        self._collector()
        self._node_exporter()
        self._prometheus()

    def serve(self, store: str) -> None:
        """Start `dqx serve` on a store that is there."""
        host, _, port = self.addresses["dqx:9464"].partition(":")
        command = [DQX, "serve", "--db", store, "--host", host, "--port", port]
        self._run("dqx", command, f"{self.url('dqx:9464')}/readyz")

    def close(self) -> None:
        """End all servers by their process ids, the last that was started first."""
        ending = [self._started.pop() for _ in range(len(self._started))]
        for process in ending:
            process.terminate()
        for process in ending:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _alertmanager(self) -> None:
        folder = self._folder("alertmanager")
        text = quick((DEPLOY / "alertmanager.yaml").read_text(), self.interval_s)
        file = folder / "alertmanager.yaml"
        text = text.replace("127.0.0.1:9095", self.addresses["webhook:9095"])
        file.write_text(text)
        command = [
            _program("alertmanager"),
            f"--config.file={file}",
            f"--web.listen-address={self.addresses['alertmanager:9093']}",
            "--cluster.listen-address=",
            f"--storage.path={folder / 'data'}",
        ]
        self._run("alertmanager", command, f"{self.url('alertmanager:9093')}/-/ready")

    def _jaeger(self) -> None:
        file = self._folder("jaeger") / "jaeger.yaml"
        file.write_text(here((DEPLOY / "jaeger.yaml").read_text(), "jaeger", self.addresses))
        command = [_program("jaeger"), f"--config={file}"]
        if pages := os.environ.get("JAEGER_UI"):
            command.append(f"--set=extensions.jaeger_query.ui.assets_path={Path(pages).resolve()}")
        self._run("jaeger", command, f"{self.url('jaeger:13133')}/status")

    def _collector(self) -> None:
        """Start the Collector: a second Jaeger, which is one, with nothing of Jaeger in its configuration."""
        file = self._folder("collector") / "collector.yaml"
        file.write_text(here((DEPLOY / "collector.yaml").read_text(), "collector", self.addresses))
        self._run(
            "collector", [_program("jaeger"), f"--config={file}"], f"{self.url('collector:8888')}/metrics"
        )

    def _node_exporter(self) -> None:
        textfiles = self._folder("textfiles")
        command = [
            _program("node"),
            f"--web.listen-address={self.addresses['node:9100']}",
            "--collector.disable-defaults",
            "--collector.textfile",
            f"--collector.textfile.directory={textfiles}",
        ]
        self._run("node", command, self.url("node:9100"))

    def _prometheus(self) -> None:
        folder = self._folder("prometheus")
        text = quick((DEPLOY / "prometheus.yaml").read_text(), self.interval_s)
        (folder / "prometheus.yaml").write_text(here(text, "prometheus", self.addresses))
        (folder / "nodes").mkdir()
        (folder / "nodes" / "nodes.yaml").write_text(f'- targets: ["{self.addresses["node:9100"]}"]\n')
        (folder / "rules").mkdir()
        for rules in (ROOT / "dashboards" / "rules").glob("*.yaml"):
            text = rules.read_text()
            (folder / "rules" / rules.name).write_text(
                text if self.rules_as_shipped else quick(text, self.interval_s)
            )
        command = [
            _program("prometheus"),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--web.listen-address={self.addresses['prometheus:9090']}",
            "--web.enable-otlp-receiver",
            "--enable-feature=exemplar-storage",
            f"--storage.tsdb.path={folder / 'data'}",
        ]
        # One built without its web page takes it from the folder `static` of where it is started.
        pages = os.environ.get("PROMETHEUS_UI")
        self._run("prometheus", command, f"{self.url('prometheus:9090')}/-/ready", pages or folder)

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _run(self, name: str, command: list[str | Path], ready: str, cwd: str | Path | None = None) -> None:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=cwd, start_new_session=True)
        self._started.append(process)
        give_up_at = time.monotonic() + 60
        while not read(ready):
            if process.poll() is not None or time.monotonic() > give_up_at:
                end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise StartError(f"{name} did not start; the end of {log}:\n{end}")
            time.sleep(0.05)


def read(url: str) -> str:
    """Return what a URL answers with; nothing unless that is a success."""
    with suppress(HTTPError, URLError, ConnectionError, TimeoutError), urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
        return text
    return ""


def _program(server: str) -> Path:
    names = PROGRAMS[server]
    found = find(*names)
    if found is None:
        raise StartError(f"{names[0]} is not installed: make servers")
    return found
