"""Which exporters the standard `OTEL_*` variables ask for, and what is wrong with them."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from dqx.common import ConfigurationError
from dqx.telemetry.redaction import redact, redact_exception
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dqx.telemetry.ledger import Ledger, Signal

Protocol = Literal["http/protobuf", "grpc"]

_DEFAULT_ENDPOINTS: dict[str, str] = {
    "http/protobuf": "http://localhost:4318",
    "grpc": "http://localhost:4317",
}
# A pair as the SDK takes it: a token, and printable ASCII without quotes, comma, semicolon and backslash.
_HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+[ \t]*=[ \t]*(?P<value>[ !#-+\--:<-\[\]-~]*)", re.ASCII)
_EXTRAS = {"http/protobuf": "otlp", "grpc": "otlp-grpc"}
_SIGNALS: tuple[Signal, ...] = ("traces", "metrics")


@dataclass(frozen=True, slots=True)
class Destination:
    """A place that one signal is to be sent to.

    Attributes:
        signal: Which.
        shown: Where, for people; without secrets.
        make: Makes the exporter, which writes into a ledger why it failed.
    """

    signal: Signal
    shown: str
    make: Callable[[Ledger], Any]


def destinations(
    environ: Mapping[str, str] = os.environ,
) -> tuple[list[Destination], list[ConfigurationError]]:
    """Return where the variables send each signal, and what about them cannot be used.

    A signal is sent when its own `OTEL_<SIGNAL>_EXPORTER` names an exporter, or an endpoint is set for it or for
    all. Nothing is sent to the default endpoint unasked: it would cost each run the deadline. What cannot be used
    is a destination, too, so that what it loses is counted.
    """
    found: list[Destination] = []
    wrong: list[ConfigurationError] = []
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return found, wrong
    for signal in _SIGNALS:
        for name in _exporter_names(signal, environ):
            try:
                found.append(_destination(signal, name, environ))
            except ConfigurationError as error:
                wrong.append(error)
                found.append(Destination(signal, f"{name} (unusable)", _unusable(signal, str(error))))
    return found, wrong


def _exporter_names(signal: Signal, environ: Mapping[str, str]) -> list[str]:
    upper = signal.upper()
    named = environ.get(f"OTEL_{upper}_EXPORTER", "").strip()
    if named:
        names = list(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
        return [] if "none" in names else names
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{upper}_ENDPOINT")
    return ["otlp"] if any(environ.get(variable, "").strip() for variable in endpoints) else []


def _destination(signal: Signal, name: str, environ: Mapping[str, str]) -> Destination:
    match name:
        case "otlp":
            variables = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
            variable = next((each for each in variables if environ.get(each)), variables[1])
            protocol = environ.get(variable, "http/protobuf").strip()
            if protocol not in ("http/protobuf", "grpc"):
                raise ConfigurationError(
                    f"{variable} is {redact(protocol, 80)!r}; DQX sends http/protobuf (the default) and grpc",
                    protocol,
                )
            return _otlp(signal, "grpc" if protocol == "grpc" else "http/protobuf", environ)
        case "otlp_proto_http":
            return _otlp(signal, "http/protobuf", environ)
        case "otlp_proto_grpc":
            return _otlp(signal, "grpc", environ)
        case "console":
            return _tried(Destination(signal, "the console (stderr)", lambda _: _console(signal)))
    known = ("otlp", "otlp_proto_http", "otlp_proto_grpc", "console", "none")
    raise ConfigurationError(
        f"OTEL_{signal.upper()}_EXPORTER names '{redact(name, 80)}', which DQX does not know"
        f"{did_you_mean(name, known)}",
        name,
    )


def _otlp(signal: Signal, protocol: Protocol, environ: Mapping[str, str]) -> Destination:
    variables = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    variable = next((each for each in variables if environ.get(each)), variables[1])
    endpoint = environ.get(variable, "").strip() or _DEFAULT_ENDPOINTS[protocol]
    _refuse_endpoint(variable, endpoint, protocol)
    _refuse_headers(signal, environ)
    make = (
        (lambda ledger: _http(signal, ledger)) if protocol == "http/protobuf" else (lambda _: _grpc(signal))
    )
    return _tried(Destination(signal, f"{redact(endpoint)} ({protocol})", make), _EXTRAS[protocol])


def _refuse_endpoint(variable: str, endpoint: str, protocol: Protocol) -> None:
    try:
        parts = urlsplit(endpoint)
        usable = bool(parts.hostname) and parts.scheme in ("http", "https")
        parts.port  # noqa: B018  # raises when it is no number
    except ValueError:
        usable = False
    if protocol == "grpc" and "://" not in endpoint:
        usable = bool(endpoint)
    if not usable:
        raise ConfigurationError(
            f"{variable} is {redact(endpoint)!r}; write a URL such as {_DEFAULT_ENDPOINTS[protocol]}",
            endpoint,
        )


def _refuse_headers(signal: Signal, environ: Mapping[str, str]) -> None:
    """Refuse what the SDK would leave out, and log: a token stands there."""
    variables = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
    variable = next((each for each in variables if environ.get(each)), variables[1])
    pairs = environ.get(variable, "").split(",")
    for place, pair in enumerate(pairs, 1):
        match = _HEADER.fullmatch(pair.strip())
        if pair.strip() and not (match and unquote(match["value"]).strip().isprintable()):
            raise ConfigurationError(
                f"{variable} has no NAME=VALUE at place {place} of {len(pairs)}; write pairs with commas between "
                "them, and within a value a comma as %2C, a quote as %22",
                variable,
            )


def _tried(destination: Destination, extra: str = "") -> Destination:
    """Return a destination whose exporter can be made; what is wrong is to be known before the run."""
    from dqx.telemetry.ledger import Ledger

    with reading_variables():
        try:
            destination.make(Ledger(destination.signal))
        except ImportError as error:
            raise ConfigurationError(
                f"sending telemetry to {destination.shown} needs '{error.name}', which is not installed; "
                f"pip install 'dqx[{extra}]' brings it",
                error.name,
            ) from error
    return destination


@contextmanager
def reading_variables() -> Iterator[None]:
    """Have whatever the SDK raises, which reads variables of its own, say whose fault that is."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(f"the OTEL_* variables cannot be used: {redact_exception(error)}") from error


def _http(signal: Signal, ledger: Ledger) -> Any:
    from dqx.telemetry.http_session import ObservedSession

    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(session=ObservedSession(ledger))
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter(session=ObservedSession(ledger))


def _grpc(signal: Signal) -> Any:
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter()


def _console(signal: Signal) -> Any:
    # stdout is for results.
    if signal == "traces":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

    return ConsoleMetricExporter(out=sys.stderr)


def _unusable(signal: Signal, message: str) -> Callable[[Ledger], Any]:
    def make(ledger: Ledger) -> Any:
        from dqx.telemetry.nowhere import NoMetricExporter, NoSpanExporter

        return NoSpanExporter(ledger, message) if signal == "traces" else NoMetricExporter(ledger, message)

    return make
