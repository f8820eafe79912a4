"""What of a span or a point may leave the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from dqx.telemetry import allow_list, names

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "hunter2-canary"
URL = f"postgresql://me:{CANARY}@host/db"


def ended(scope: str, work: Callable[[Any], None], name: str = "work") -> Any:
    """Return a span of a scope, after some work on it."""
    provider, kept = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    span = provider.get_tracer(scope).start_span(name)
    work(span)
    span.end()
    return kept.get_finished_spans()[0]


def everything(span: Any) -> str:
    """Return all texts of a span."""
    return span.to_json() + str(span.status.description)


def misuse(span: Any) -> None:
    """Do with a span what a plugin may do with the one around its call."""
    span.set_attribute("mine", CANARY)
    span.set_attribute(names.DB_QUERY_TEXT, f"ATTACH '{URL}'")
    span.add_event("found", {"row": CANARY})
    span.record_exception(ValueError(CANARY))
    span.add_link(trace.SpanContext(1, 1, False), {"mine": CANARY})
    span.set_status(Status(StatusCode.ERROR, URL))


@pytest.mark.parametrize("name", ["process mine", "assertion", "evaluate_check"])
def test_of_our_scope_only_what_the_catalogue_names(name: str) -> None:
    """No foreign attribute, no event, and what is named is redacted all the same."""
    sent = allow_list.of_span(ended(names.SCOPE, misuse, name))
    assert CANARY not in everything(sent)
    assert set(sent.attributes) == {names.DB_QUERY_TEXT}
    assert not sent.events
    assert [dict(link.attributes) for link in sent.links] == [{}]
    assert (sent.status.status_code, sent.status.description) == (
        StatusCode.ERROR,
        "postgresql://***@host/db",
    )


def test_identity_time_and_kind_stay() -> None:
    """Only texts change."""
    span = ended(names.SCOPE, misuse)
    sent = allow_list.of_span(span)
    assert sent is not span
    for field in (
        "name",
        "context",
        "parent",
        "kind",
        "start_time",
        "end_time",
        "resource",
        "instrumentation_scope",
    ):
        assert getattr(sent, field) == getattr(span, field)


@pytest.mark.parametrize("scope", ["dqx", "theirs"])
def test_what_is_as_it_should_be_is_not_copied(scope: str) -> None:
    """Most spans are; a copy costs 20 µs."""
    span = ended(scope, lambda s: s.set_attributes({names.CHECK_NAME: "Orders", names.DATASET_ROWS: 3}))
    assert allow_list.of_span(span) is span


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (URL, "postgresql://***@host/db"),
        ("x" * 300, "x" * 255 + "…"),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        (["a", URL], ("a", "postgresql://***@host/db")),
        (b"\x00\x01", None),
        ("", ""),
    ],
)
def test_of_other_scopes_all_passes_redacted_and_cut(value: Any, expected: object) -> None:
    """Whose they are the documentation says; bytes, which newer SDKs take, are left to their number."""
    sent = allow_list.of_span(ended("theirs", lambda s: s.set_attribute("mine", value)))
    if isinstance(value, bytes):
        assert "\x00" not in str(sent.attributes.get("mine"))
    else:
        assert sent.attributes["mine"] == expected


def test_exceptions_of_other_scopes_are_redacted() -> None:
    """The SDK puts their raw text on a span, twice."""

    def work(span: Any) -> None:
        span.record_exception(ConnectionError(URL))

    sent = allow_list.of_span(ended("theirs", work))
    assert CANARY not in everything(sent)
    assert sent.events[0].attributes["exception.type"] == "ConnectionError"


def test_known_secrets_do_not_leave_wherever_they_stand() -> None:
    """As in the text of a plugin's exception."""

    def work(span: Any) -> None:
        span.set_attribute("mine", ["so", f"it is {CANARY}"])
        span.record_exception(ConnectionError(f"cannot log in with {CANARY}"))
        span.set_status(Status(StatusCode.ERROR, CANARY))

    span = ended("theirs", work, f"login {CANARY}")
    assert CANARY in everything(allow_list.of_span(span))
    assert CANARY not in everything(allow_list.of_span(span, frozenset({CANARY})))


@pytest.mark.parametrize(
    ("scope", "metric", "leaves"),
    [("dqx", "dqx.suite.passed", True), ("dqx", "mine", False), ("theirs", "mine", True)],
)
def test_metrics_of_our_scope_are_those_of_the_catalogue(scope: str, metric: str, leaves: bool) -> None:
    """Others are their owners'."""
    assert allow_list.has_metric(scope, metric) is leaves


def test_points_of_others_are_redacted() -> None:
    """Ours were made so, and pass as they are."""
    labels = {"url": URL}
    assert allow_list.of_point("theirs", labels) == {"url": "postgresql://***@host/db"}
    assert allow_list.of_point("dqx", labels) is labels
