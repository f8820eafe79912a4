"""How the exporter answers: formats, addresses, bounds, and a store that is in trouble."""

from __future__ import annotations

import gzip
import http.client
import logging
import shutil
import socket
import sqlite3
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.exporter.conftest import fetch
from tests.servers.processes import free_port

from dqx.exporter.app import ExporterApp, UnavailableError
from dqx.exporter.page import Page, format_for
from dqx.exporter.server import REQUEST_BYTES, SEND_BYTES, Server
from dqx.exporter.store import StoreSource
from dqx.frozen_dict import FrozenDict
from dqx.orm import MetricDB
from dqx.telemetry import names
from dqx.telemetry.families import families
from dqx.telemetry.sample import Sample
from dqx.telemetry.snapshot import snapshot_of
from dqx.testing import context_of, suite_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.exporter.conftest import Exporter
    from tests.orm.conftest import Examples
    from tests.servers.postgres import Postgres

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.fixture
def filled(tmp_path: Path, make: Examples) -> MetricDB:
    """A store in a file, with a run in it."""
    db = MetricDB(f"sqlite:///{tmp_path / 'quality.db'}")
    make.store(db, make.run("a", make.key(0), results=[make.result(), make.result("other", status="ERROR")]))
    return db


# Formats ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "text"),
        ("*/*", "text"),
        ("text/html,*/*;q=0.8", "text"),
        ("text/plain;version=0.0.4", "text"),
        ("application/openmetrics-text", "openmetrics"),
        ("application/openmetrics-text; version=1.0.0", "openmetrics"),
        (PROMETHEUS_3, "openmetrics"),
        (",;=,,;q=,", "text"),
    ],
)
def test_the_accept_header_chooses_the_format(accept: str, form: str) -> None:
    """As prometheus-client reads it."""
    assert format_for(accept) == form


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("accept", ["text/plain", PROMETHEUS_3])
def test_every_form_holds_the_same_series(
    filled: MetricDB, exporter: Exporter, accept: str, encoding: str
) -> None:
    """Text or OpenMetrics, compressed or plain; the parsers of prometheus-client take both."""
    url = exporter(filled) + "/metrics"
    plain = fetch(url)
    answer = fetch(url, Accept=accept, Accept_Encoding=encoding)
    assert answer.status == 200
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    body = answer.body
    if encoding == "gzip":
        assert answer.headers["Content-Encoding"] == "gzip"
        body = gzip.decompress(body)
    else:
        assert answer.headers["Content-Encoding"] is None
    parser, kind = parse_text, "text/plain; version=0.0.4; charset=utf-8"
    if accept == PROMETHEUS_3:
        parser, kind = parse_openmetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.headers["Content-Type"] == kind
    found = {
        (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if v))): s.value
        for family in parser(body.decode())
        for s in family.samples
        if s.name != "dqx_exporter_render_duration_seconds"  # each form takes its own time
    }
    expected = plain.series()
    del expected["dqx_exporter_render_duration_seconds", ()]
    assert found == expected


def test_help_and_type_are_those_of_the_catalogue(filled: MetricDB, exporter: Exporter) -> None:
    """And no name is there that the catalogue does not have, above all none that ends in _created."""
    text = fetch(exporter(filled) + "/metrics").text
    found = {(family.name, family.documentation, family.type) for family in parse_text(text)}
    assert found <= {(m.prometheus_name, m.help, m.kind) for m in names.METRICS}
    assert "_created" not in text


def test_a_page_is_rendered_once() -> None:
    """Whoever asks next gets the same bytes, not equal ones."""
    run = suite_run()
    snapshot = snapshot_of(run.results, run.symbols, run.suite, context_of(run))
    asked: list[float] = []

    def about(rendering_s: float) -> list[object]:
        asked.append(rendering_s)
        return []

    page = Page(families(snapshot.samples), about)
    for compressed in (False, True):
        assert page.body("text", compressed=compressed) is page.body("text", compressed=compressed)
    assert len(asked) == 1


# Addresses ----------------------------------------------------------------------------------------------


def test_the_other_addresses(filled: MetricDB, exporter: Exporter) -> None:
    """A page for people, and two for whoever watches the process."""
    url = exporter(filled)
    index = fetch(url + "/")
    assert index.status == 200
    assert index.headers["Content-Type"] == "text/html; charset=utf-8"
    assert all(f'href="{path}"' in index.text for path in ("/metrics", "/healthz", "/readyz"))
    for path in ("/healthz", "/readyz"):
        assert (fetch(url + path).status, fetch(url + path).text) == (200, "ok\n")
    assert "Server" not in index.headers
    assert index.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/metric", "/metrics/", "/../etc/passwd", "/favicon.ico"])
def test_nothing_else_is_answered(filled: MetricDB, exporter: Exporter, path: str) -> None:
    """What is not documented is not found."""
    assert fetch(exporter(filled) + path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_but_reading_is_allowed(filled: MetricDB, exporter: Exporter, method: str) -> None:
    """The answer says what is."""
    answer = fetch(exporter(filled) + "/metrics", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_head_has_the_headers_and_no_body(filled: MetricDB, exporter: Exporter) -> None:
    """The length is that of the page."""
    url = exporter(filled) + "/metrics"
    answer = fetch(url, "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) == len(fetch(url).body)


def test_a_connection_is_kept_for_the_next_scrape(filled: MetricDB, exporter: Exporter) -> None:
    """As Prometheus keeps it."""
    parts = urlsplit(exporter(filled))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    with closing(connection):
        for _ in range(3):
            connection.request("GET", "/metrics")
            assert connection.getresponse().read()
            first = connection.sock
            assert first is not None


def test_a_page_larger_than_any_buffer_arrives_whole() -> None:
    """To readers that take it in small pieces, at the same time, and twice on one connection."""
    page = Page(families(_many_samples(60_000)))
    body = page.body("text", compressed=False)
    assert len(body) > 20 * SEND_BYTES
    bodies: list[bytes] = []

    def scrape(port: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            for _ in range(2):
                connection.request("GET", "/metrics")
                bodies.append(b"".join(iter(partial(connection.getresponse().read, 30_011), b"")))

    with closing(Server(ExporterApp(_OnePage(page)), "127.0.0.1", 0)) as server:
        threads = [threading.Thread(target=scrape, args=(server.port,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert len(bodies) == 6
    assert all(found == body for found in bodies)


@dataclass
class _OnePage:
    """A source that never changes."""

    it: Page

    def page(self) -> Page:
        return self.it


def _many_samples(number: int) -> Iterator[Sample]:
    for index in range(number):
        labels = FrozenDict({"suite": "orders", "snapshot": "orders", "dataset": "d", "metric": f"m {index}"})
        yield Sample(names.METRIC_VALUE, labels, float(index))


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /metrics HTTP/1.1\r\nX: " + b"x" * (REQUEST_BYTES + 1) + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n",
        b"\x16\x03\x01\x02\x00 not HTTP\r\n\r\n",
    ],
)
def test_a_request_that_is_too_large_or_none_is_refused(
    filled: MetricDB, exporter: Exporter, request_text: bytes
) -> None:
    """And the exporter answers the next one."""
    url = exporter(filled)
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(request_text)
        answer = connection.recv(100)
    assert b" 200 " not in answer
    assert answer.split()[1][:1] == b"4"
    assert fetch(url + "/metrics").status == 200


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes beyond waits until one of them ends, and is answered then."""
    from dqx.exporter import server as module

    monkeypatch.setattr(module, "CONNECTIONS", 5)
    page = _OnePage(Page(families(_many_samples(1))))
    with closing(Server(ExporterApp(page), "127.0.0.1", 0)) as server, ExitStack() as silent:
        for _ in range(8):
            silent.enter_context(socket.create_connection((server.host, server.port), timeout=30))
        with socket.create_connection((server.host, server.port), timeout=30) as waiting:
            waiting.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            waiting.settimeout(0.5)
            with pytest.raises(TimeoutError):
                waiting.recv(100)
            silent.close()
            waiting.settimeout(30)
            assert b" 200 OK" in waiting.recv(100)


def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the middle of a request: nobody holds one for ever by saying little."""
    from dqx.exporter import server as module

    monkeypatch.setattr(module, "IDLE_S", 1)
    monkeypatch.setattr(module, "CLEANUP_S", 1)
    page = _OnePage(Page(families(_many_samples(1))))
    with (
        closing(Server(ExporterApp(page), "127.0.0.1", 0)) as server,
        socket.create_connection((server.host, server.port), timeout=30) as connection,
    ):
        connection.sendall(b"GET /metrics HTT")
        assert connection.recv(100) == b""


def test_many_scrapes_at_once_get_whole_pages(filled: MetricDB, exporter: Exporter) -> None:
    """And the store is asked far less often than they are many."""
    url = exporter(filled) + "/metrics"
    whole = fetch(url).body
    bodies: list[bytes] = []
    threads = [threading.Thread(target=lambda: bodies.append(fetch(url).body)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [whole] * 50


def test_a_port_that_is_taken_is_said(filled: MetricDB) -> None:
    """With the address, and what to do."""
    from dqx.common import ConfigurationError

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigurationError,
            match=rf"^127\.0\.0\.1:{port} cannot be listened on \(Address already in use\); name another port$",
        ) as refused:
            Server(lambda *_: [], "127.0.0.1", port)
    assert refused.value.culprit == f"127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "256.0.0.1", "192.0.2.1", "x" * 300, ""])
def test_a_host_that_is_none_is_said(host: str) -> None:
    """Not with a traceback; and another port would not help."""
    from dqx.common import ConfigurationError

    with pytest.raises(
        ConfigurationError, match=r"cannot be listened on .*; name an address of this machine"
    ):
        Server(lambda *_: [], host, free_port())


def test_a_closed_server_listens_no_more(filled: MetricDB) -> None:
    """Closing it twice is once."""
    with closing(StoreSource(filled, ())) as source:
        from dqx.exporter.app import ExporterApp

        server = Server(ExporterApp(source), "127.0.0.1", 0)
        assert fetch(server.url + "/healthz").status == 200
        server.close()
        server.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, server.port), timeout=5)


# A store in trouble -------------------------------------------------------------------------------------


def test_a_store_that_is_gone_is_503_and_comes_back(
    filled: MetricDB, exporter: Exporter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Never an empty 200, which would resolve every alert; the exporter itself goes on living."""
    url = exporter(filled)
    path = tmp_path / "quality.db"
    before = fetch(url + "/metrics")
    with caplog.at_level(logging.WARNING, logger="dqx.exporter.store"):
        path.rename(tmp_path / "away.db")
        for _ in range(3):
            gone = fetch(url + "/metrics")
            assert gone.status == 503
            assert "cannot be opened" in gone.text
            assert "dqx_" not in gone.text
        assert fetch(url + "/readyz").status == 503
        assert fetch(url + "/healthz").status == 200
        assert not path.exists()
        (tmp_path / "away.db").rename(path)
        assert fetch(url + "/metrics").body == before.body
    said = [record.getMessage() for record in caplog.records if record.name == "dqx.exporter.store"]
    assert [message.split(":")[0] for message in said] == [
        "scrapes are answered 503",
        "the store can be read again",
    ]


def test_another_store_at_the_same_place_is_seen(
    filled: MetricDB, exporter: Exporter, tmp_path: Path, make: Examples
) -> None:
    """Also when it has been changed just as often."""
    url = exporter(filled) + "/metrics"
    assert fetch(url).values("dqx_assertion_passed", "assertion").keys() == {("no gaps",), ("other",)}
    with closing(MetricDB(f"sqlite:///{tmp_path / 'new.db'}")) as new:
        make.store(new, make.run("z", make.key(0), results=[make.result("restored")]))
        restored, before = new.state([]), filled.state([])
        assert restored is not None
        assert before is not None
        assert restored.stamp[0] == before.stamp[0]
    for path in tmp_path.glob("quality.db*"):
        path.unlink()
    shutil.move(tmp_path / "new.db", tmp_path / "quality.db")
    assert fetch(url).values("dqx_assertion_passed", "assertion").keys() == {("restored",)}


def test_a_store_of_a_newer_schema_is_503(filled: MetricDB, exporter: Exporter, tmp_path: Path) -> None:
    """Also when it was upgraded while the exporter ran."""
    url = exporter(filled)
    assert fetch(url + "/metrics").status == 200
    with closing(sqlite3.connect(tmp_path / "quality.db")) as connection:
        connection.execute("UPDATE dqx_store SET version = 99")
        connection.commit()
    answer = fetch(url + "/metrics")
    assert answer.status == 503
    assert "newer DQX (schema 99, this one knows 1): upgrade dqx" in answer.text
    with closing(MetricDB(f"sqlite:///{tmp_path / 'quality.db'}")) as fresh:
        answer = fetch(exporter(fresh) + "/metrics")
    assert answer.status == 503
    assert "newer DQX" in answer.text


def test_a_store_that_is_no_database_is_503(exporter: Exporter, tmp_path: Path) -> None:
    """In words of the store."""
    (tmp_path / "text.db").write_text("this is no database, but long enough to be looked at as one" * 20)
    with closing(MetricDB(f"sqlite:///{tmp_path / 'text.db'}")) as db:
        answer = fetch(exporter(db) + "/metrics")
    assert answer.status == 503
    assert "is not a SQLite database" in answer.text


def test_a_store_that_is_locked_too_long_is_503(
    postgres_url: str, postgres_server: Postgres, exporter: Exporter, make: Examples
) -> None:
    """Whoever comes while it hangs is told at once; when the lock is gone, the page is there."""
    import psycopg

    with closing(MetricDB(postgres_url)) as db:
        make.store(db, make.run("a", make.key(0)))
        url = exporter(db, patience_s=0.5)
        assert fetch(url + "/metrics").status == 200
        with psycopg.connect(postgres_url) as locking:
            locking.execute("LOCK TABLE dqx_store IN ACCESS EXCLUSIVE MODE")
            first = fetch(url + "/metrics")
            started = time.monotonic()
            second = fetch(url + "/metrics")
            waited_s = time.monotonic() - started
            assert fetch(url + "/healthz").status == 200
        assert first.status == second.status == 503
        assert "has not answered for 0.5 s" in first.text
        assert waited_s < 0.4
        give_up_at = time.monotonic() + 20
        while fetch(url + "/metrics").status != 200:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)


def test_a_file_that_is_locked_too_long_is_503(filled: MetricDB, exporter: Exporter, tmp_path: Path) -> None:
    """As long as somebody has it to himself; when it is free again, the page is there."""
    url = exporter(filled, patience_s=0.5)
    assert fetch(url + "/metrics").status == 200
    with closing(sqlite3.connect(tmp_path / "quality.db", isolation_level=None)) as alone:
        alone.execute("PRAGMA locking_mode=EXCLUSIVE")
        alone.execute("BEGIN EXCLUSIVE")
        alone.execute("UPDATE dqx_store SET version = version")
        for _ in range(2):
            started = time.monotonic()
            answer = fetch(url + "/metrics")
            assert answer.status == 503
            assert "has not answered for 0.5 s" in answer.text
            assert time.monotonic() - started < 10  # of the 30 s that the store itself waits
        assert fetch(url + "/healthz").status == 200
    give_up_at = time.monotonic() + 20
    while fetch(url + "/metrics").status != 200:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_a_database_that_is_not_there_shows_no_password(exporter: Exporter) -> None:
    """A PostgreSQL that is restarted, or was never started."""
    with closing(MetricDB(f"postgresql://dqx:canary@127.0.0.1:{free_port()}/quality")) as db:
        answer = fetch(exporter(db) + "/metrics")
    assert answer.status == 503
    assert "cannot be connected to" in answer.text
    assert "canary" not in answer.text


def test_connections_that_were_ended_by_the_server_do_no_harm(
    postgres_url: str, postgres_server: Postgres, exporter: Exporter, make: Examples
) -> None:
    """What a restart of PostgreSQL does to its clients."""
    with closing(MetricDB(postgres_url)) as db:
        make.store(db, make.run("a", make.key(0)))
        url = exporter(db) + "/metrics"
        assert fetch(url).status == 200
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname LIKE 'dqx_%'"
        )
        assert fetch(url).status == 200


def test_a_defect_of_ours_is_503_and_logged(exporter: Exporter, caplog: pytest.LogCaptureFixture) -> None:
    """A page that cannot be made must not look like a store without suites."""

    class Broken(MetricDB):
        def state(self, *_: object, **__: object) -> None:
            raise RuntimeError("postgresql://u:canary@h/d")

    answer = fetch(exporter(Broken()) + "/metrics")
    assert answer.status == 503
    assert "canary" not in answer.text
    assert "the store could not be shown" in caplog.text
    assert "RuntimeError: postgresql://***@h/d" in caplog.text
    assert "canary" not in caplog.text


def test_a_source_that_is_closed_says_so(filled: MetricDB) -> None:
    """No scrape waits for what will not come."""
    source = StoreSource(filled, ())
    source.close()
    with pytest.raises(UnavailableError, match="ending"):
        source.page()
