"""Write docs/telemetry.md from the catalogue, src/dqx/telemetry/names.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dqx.telemetry import names
from dqx.telemetry.assertion_series import LIMIT
from dqx.telemetry.redaction import MAX_QUERY, MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PAGE = Path(__file__).resolve().with_name("telemetry.md")

_HEAD = f"""\
# Telemetry

<!-- Made from src/dqx/telemetry/names.py by docs/make_telemetry.py: do not edit, run `make docs`. -->

Every name that DQX emits: what a dashboard, an alert or a query for traces can stand on. How it gets to you is told
in [Prometheus](prometheus.md) and [OpenTelemetry](opentelemetry.md); [monitoring](monitoring.md) sets it all up.

Names, units, labels and help texts are a public API: a change to what is *stable* breaks somebody's alert, and the
[changelog](../CHANGELOG.md) says so. What is *development* follows conventions of OpenTelemetry that may still change.

## Rules

- **A snapshot replaces.** A suite and those tags of a run that became labels are a *snapshot*. A run replaces every
  series of its snapshot, so that a renamed or deleted assertion is gone. Only the newest key date counts: a backfill
  of last month is stored and changes no series.
- **`label_tags` says which tags become labels**, `["env"]` unless you set it; each is a label of its own on every
  series of the snapshot, beside {{common}}. A tag named like a label below, or like `job` or
  `instance`, is refused.
- **Join on `snapshot`, group by names.** A snapshot may reach one Prometheus twice, by two roads or from two hosts;
  `job`, `instance` and what a Collector adds differ then, and a query that joins or groups by all labels breaks.
- **Gauges tell of the newest run.** A job that runs once a day has nothing to count. By scrape, textfile and
  Pushgateway a sample stays until it is replaced; by OTLP it vanishes from Prometheus after five minutes.
- **What is not known has no series:** no value for an assertion that could not be evaluated, no `passed` for one that
  was skipped; never NaN, infinity or a made-up zero.
- **Never sent:** rows, samples, the smallest or largest text of a column, literals of a query, connection URLs, the
  environment, command lines. In expressions and names of metrics numbers stand as they are, a text value is `?`, a
  user's SQL `<sql>`. In our scope, `{names.SCOPE}`, an attribute that is not on this page is not sent.
- **Cut:** texts at {MAX_TEXT} characters, `{names.DB_QUERY_TEXT}` at {MAX_QUERY:,}. Two names that become
  one when cut, or made legal, are told apart by `~` and twelve hexadecimal digits.
- **Bounded:** the first {LIMIT:,} assertions of a suite have series of their own. The rest share one for each
  severity, with `{names.OVERFLOW}` for check and assertion; it passes when all of them do.
"""

_SOURCES = {
    "run": ("Of each run, by every road", "Scrape, textfile, Pushgateway, `dqx serve` and OTLP alike."),
    "serve": (
        "By `dqx serve` alone",
        "What only the store knows: that a run started and never finished, or that a suite never ran.",
    ),
    "process": (
        "By OTLP from a process that lives long",
        "What can be counted there; `dqx run`, which ends after its run, does not send them.",
    ),
}


def page() -> str:
    """Return the page."""
    parts = [_HEAD.format(common=" and ".join(f"`{label}`" for label in names.COMMON_LABELS))]
    parts += [*_metrics(), *_labels(), *_spans(), *_attributes()]
    return "\n".join(parts)


def _metrics() -> Iterator[str]:
    yield "## Metrics\n"
    yield (
        "The first name is the one in Prometheus, the second that of OpenTelemetry, which keeps the unit in a field of "
        "its own. Units are written as UCUM has them; what is in your own unit, or has none, shows none.\n"
    )
    for source, (title, said) in _SOURCES.items():
        yield f"### {title}\n\n{said}\n"
        yield _table(
            ("Name", "Kind and unit", "Labels", "Help", "Stability"),
            (
                (
                    f"`{metric.prometheus_name}`<br>`{metric.name}`",
                    f"{metric.kind}{f', `{metric.unit}`' if metric.unit else ''}",
                    _listed((*(names.COMMON_LABELS if metric.per_snapshot else ()), *metric.labels)),
                    metric.help + _buckets(metric.buckets),
                    metric.stability,
                )
                for metric in names.METRICS
                if metric.source == source
            ),
        )


def _labels() -> Iterator[str]:
    yield "## Labels\n"
    yield "Attributes of points by OTLP have these names, too. A label of a series is never a run, a trace or a date.\n"
    yield _table(
        ("Label", "Meaning", "Values"),
        ((f"`{label.name}`", label.meaning, _listed(label.values)) for label in names.LABELS.values()),
    )


def _spans() -> Iterator[str]:
    yield "## Spans\n"
    yield (
        f"One trace for each run, in the scope `{names.SCOPE}`, by the schema <{names.SCHEMA_URL}>. A span's status is "
        f"unset when all is well and ERROR, with `{names.ERROR_TYPE}`, when not. Check and assertion have the times at "
        "which they were evaluated.\n"
    )
    yield _table(
        ("Span", "Kind", "Made by", "Meaning", "Attributes"),
        (
            (
                f"`{span.name}`",
                ", ".join(span.kinds),
                f"`{span.made_by}`" if span.made_by.startswith("dqx") else span.made_by,
                span.meaning,
                _listed(span.attributes),
            )
            for span in names.SPANS
        ),
    )


def _attributes() -> Iterator[str]:
    yield "## Attributes\n"
    yield (
        "Of spans, and of the [audit log records](audit.md), which use the same names. What no span has is in log "
        "records alone.\n"
    )
    yield _table(
        ("Attribute", "Type", "Meaning", "Values", "On a span", "Stability"),
        (
            (
                f"`{attribute.name}`",
                attribute.type,
                attribute.meaning,
                _listed(attribute.values),
                "yes" if any(attribute.name in span.attributes for span in names.SPANS) else "no",
                attribute.stability,
            )
            for attribute in names.ATTRIBUTES.values()
        ),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def _buckets(bounds: Sequence[float]) -> str:
    return f" Buckets up to {', '.join(f'{bound:g}' for bound in bounds)}." if bounds else ""


if __name__ == "__main__":
    PAGE.write_text(page())
