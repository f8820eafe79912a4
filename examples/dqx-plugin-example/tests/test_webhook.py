"""The plugin, tried on runs from `dqx.testing`, with a real server at the other end."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from dqx_plugin_example import WebhookPlugin

from dqx.testing import assertion_result, captured_logs, captured_spans, deliver, suite_run

if TYPE_CHECKING:
    from collections.abc import Iterator


class Receiver(HTTPServer):
    """Keeps what is posted to it, and answers `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"
        self.posts: list[tuple[dict[str, str], Any]] = []
        self.status = 200


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Receiver

    def do_POST(self) -> None:
        """Keep what is posted."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((dict(self.headers), json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Run a server, without the proxy that the environment may name."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_failed_is_posted(receiver: Receiver) -> None:
    """One document for a run, with the run's id as the key that tells a repetition."""
    outcomes = deliver(WebhookPlugin(), config={"url": receiver.url, "token": "sesame"})
    assert [(o.phase, o.outcome) for o in outcomes] == [
        ("initialize", "ok"),
        ("process", "ok"),
        ("finish", "ok"),
        ("shutdown", "ok"),
    ]
    ((headers, document),) = receiver.posts
    assert (document["suite"], document["date"], document["verdict"]) == ("orders", "2024-01-31", "failed")
    assert [entry["assertion"] for entry in document["failed"]] == [
        "few prices are missing",
        "stock is known",
    ]
    assert headers["Idempotency-Key"] == suite_run().run_id
    assert headers["Authorization"] == "Bearer sesame"


@pytest.mark.parametrize("results", [[assertion_result()], [assertion_result("FAILURE", severity="P2")], []])
def test_nothing_is_posted_when_nothing_that_counts_failed(receiver: Receiver, results: list[Any]) -> None:
    """Passed, below the severity, or no results at all."""
    deliver(WebhookPlugin(), suite_run(results), config={"url": receiver.url})
    assert receiver.posts == []


def test_a_server_that_refuses_is_the_plugin_s_outcome(receiver: Receiver) -> None:
    """The run is as it was, and the token is not in what is said of it."""
    receiver.status = 500
    with captured_logs() as records:
        outcomes = deliver(WebhookPlugin(), config={"url": receiver.url, "token": "sesame"})
    assert ("process", "error", "urllib.error.HTTPError") in [
        (o.phase, o.outcome, o.error_type) for o in outcomes
    ]
    assert "sesame" not in "".join(record.getMessage() for record in records)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "plugin 'my_plugin': the setting 'url' is missing"),
        ({"url": "not a url"}, "plugin 'my_plugin': url is 'not a url': Input should be a valid URL"),
        (
            {"url": "http://h", "severty": "P0"},
            "plugin 'my_plugin': it has no setting 'severty'; did you mean",
        ),
    ],
)
def test_wrong_settings_are_named(config: dict[str, Any], message: str) -> None:
    """DQX checks them by the model."""
    (outcome,) = deliver(WebhookPlugin(), config=config)
    assert (outcome.phase, outcome.outcome) == ("initialize", "error")
    assert (outcome.message or "").startswith(message)


def test_its_own_span_is_below_the_call(receiver: Receiver) -> None:
    """Whoever looks at the trace of a run sees where the plugin's time went."""
    with captured_spans() as spans:
        deliver(WebhookPlugin(), config={"url": receiver.url})
    by_name = {span.name: span for span in spans}
    assert by_name["POST"].parent.span_id == by_name["process my_plugin"].context.span_id
