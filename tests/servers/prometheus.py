"""A real Prometheus 3, which scrapes, takes OTLP, evaluates rules and answers queries."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest
from tests.servers.processes import binary, serving
from tests.servers.series import Series, series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    @property
    def otlp_url(self) -> str:
        """Return the endpoint for `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        return f"{self.url}/api/v1/otlp"

    def query(
        self, expression: str, at: float | None = None, lookback_s: float | None = None
    ) -> dict[Series, float]:
        """Return what an expression gives, now or at a time, in Unix seconds.

        A sample older than `lookback_s` (five minutes unless the server was told otherwise) is none.
        """
        asked: dict[str, object] = {"query": expression}
        if at is not None:
            asked["time"] = at
        if lookback_s is not None:
            asked["lookback_delta"] = lookback_s
        return {key: float(found["value"][1]) for key, found in self._results("query", asked)}

    def query_range(
        self, expression: str, start: float, end: float, step_s: float
    ) -> dict[Series, list[tuple[float, float]]]:
        """Return what an expression gives from `start` to `end`: time and value."""
        asked = {"query": expression, "start": start, "end": end, "step": step_s}
        return {
            key: [(at, float(value)) for at, value in found["values"]]
            for key, found in self._results("query_range", asked)
        }

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or fire, as the API has them."""
        found: list[dict[str, Any]] = self._get("alerts")["alerts"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules with what became of their newest evaluation, as the API has them."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def wait_for(
        self, expression: str, ready: Callable[[dict[Series, float]], bool] = bool, timeout_s: float = 20.0
    ) -> dict[Series, float]:
        """Ask until the answer is as it should be, and return it; return the last one when that takes too long."""
        give_up_at = time.monotonic() + timeout_s
        while not ready(found := self.query(expression)) and time.monotonic() < give_up_at:
            time.sleep(0.05)
        return found

    def _results(self, what: str, asked: dict[str, Any]) -> Iterator[tuple[Series, dict[str, Any]]]:
        for found in self._get(what, asked)["result"]:
            labels = dict(found["metric"])
            yield series(labels.pop("__name__", ""), labels), found

    def _get(self, what: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
        with urlopen(f"{self.url}/api/v1/{what}?{urlencode(asked or {})}", timeout=30) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
            return data


@contextmanager
def prometheus_server(
    folder: Path,
    scrape: Sequence[dict[str, Any]] = (),
    *,
    rules: Sequence[Path] = (),
    alertmanager: str | None = None,
    interval: str = "200ms",
    flags: Sequence[str] = (),
) -> Iterator[Prometheus]:
    """Run a Prometheus.

    Args:
        folder: Where its files go; an empty one.
        scrape: Its `scrape_configs`.
        rules: Files of rules.
        alertmanager: The URL of an Alertmanager to send alerts to.
        interval: Between two scrapes, and two evaluations of the rules.
        flags: More of its command line.
    """
    program = binary("prometheus")
    config: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": list(scrape),
        "rule_files": [str(path) for path in rules],
    }
    if alertmanager is not None:
        targets = {"static_configs": [{"targets": [urlsplit(alertmanager).netloc]}]}
        config["alerting"] = {"alertmanagers": [targets]}
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(config))  # YAML takes JSON
    arguments = (
        "--web.listen-address={address}",
        "--web.enable-otlp-receiver",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--scrape.discovery-reload-interval=100ms",  # hidden; after the usual 5 s the first scrape would come
        *flags,
    )
    with serving(program, *arguments, log=folder / "log", ready="/-/ready") as url:
        yield Prometheus(url)


@pytest.fixture
def start_prometheus(tmp_path: Path) -> Iterator[Callable[..., Prometheus]]:
    """Return what starts a Prometheus: `prometheus_server` without its folder."""
    with ExitStack() as stack:

        def start(*args: Any, **options: Any) -> Prometheus:
            folder = Path(mkdtemp(prefix="prometheus-", dir=tmp_path))
            return stack.enter_context(prometheus_server(folder, *args, **options))

        yield start
