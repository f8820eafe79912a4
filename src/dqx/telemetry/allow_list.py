"""What of a span or a point may leave: in the scope `dqx` what the catalogue names, of others all, redacted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

from dqx.telemetry import names
from dqx.telemetry.redaction import MAX_QUERY, MAX_TEXT, redact

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

_METRICS = frozenset(metric.name for metric in names.METRICS)

_MADE_WHOLE = (names.ASSERTION.name, names.EVALUATE_CHECK.name)
"""Spans that are ended where they are made, already redacted: no plugin ever has one in its hands."""

# The names of checks and assertions come again in each run; an expression takes 15 µs, a look-up 0.1.
_redacted = lru_cache(maxsize=4_096)(redact)


def of_span(span: ReadableSpan, secrets: frozenset[str] = frozenset()) -> ReadableSpan:
    """Return a span as it may leave; the very same object when nothing had to be changed.

    Args:
        span: The span.
        secrets: Values that must not leave wherever they stand; a plugin may put its password into an exception.
    """
    ours = span.instrumentation_scope is not None and span.instrumentation_scope.name == names.SCOPE
    plain = not span.events and not span.links
    if (
        ours
        and plain
        and span.name in _MADE_WHOLE
        and names.ATTRIBUTES.keys() >= (span.attributes or {}).keys()
    ):
        return span
    attributes = _attributes(span.attributes, secrets, ours=ours)
    described = span.status.description
    description = None if described is None else _redacted(described, secrets=secrets)
    name = _redacted(span.name, secrets=secrets)
    if attributes == (span.attributes or {}) and plain and description == described and name == span.name:
        return span
    events = [
        Event(
            _redacted(event.name, secrets=secrets),
            _attributes(event.attributes, secrets, ours=False),
            event.timestamp,
        )
        for event in span.events
    ]
    links = [Link(link.context, _attributes(link.attributes, secrets, ours=ours)) for link in span.links]
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=() if ours else events,
        links=links,
        kind=span.kind,
        status=Status(span.status.status_code, description),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def of_point(scope: str, attributes: Attributes) -> Attributes:
    """Return the attributes of a point as they may leave: those of `dqx` were made so, others are redacted."""
    return attributes if scope == names.SCOPE else _attributes(attributes, frozenset(), ours=False)


def has_metric(scope: str, metric: str) -> bool:
    """Tell whether a metric may leave: each of other scopes may, of `dqx` those in the catalogue."""
    return scope != names.SCOPE or metric in _METRICS


def of_resource(attributes: Attributes) -> dict[str, Any]:
    """Return the attributes of a resource as they may leave: no command line, whatever a detector found."""
    return {
        name: value
        for name, value in _attributes(attributes, frozenset(), ours=False).items()
        if not name.startswith("process.command")
    }


def _attributes(attributes: Attributes, secrets: frozenset[str], *, ours: bool) -> dict[str, Any]:
    return {
        (name if ours else _redacted(name)): _value(
            value, MAX_QUERY if name == names.DB_QUERY_TEXT else MAX_TEXT, secrets
        )
        for name, value in (attributes or {}).items()
        if not ours or name in names.ATTRIBUTES
    }


def _value(value: object, limit: int, secrets: frozenset[str]) -> Any:
    match value:
        case str():
            return _redacted(value, limit, secrets)
        case bytes():
            return f"<{len(value)} bytes>"
        case Mapping():
            return {_redacted(str(name)): _value(item, limit, secrets) for name, item in value.items()}
        case Sequence():
            return tuple(_value(item, limit, secrets) for item in value)
        case _:
            return value
