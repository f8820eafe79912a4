"""Rules as the file that Prometheus reads: YAML whose texts are strings in double quotes, or blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dqx.alerting.promql import quoted
from dqx.alerting.rules import RUNBOOKS, Alert, Recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dqx.alerting.rules import Group


_HEAD = "# Written by `dqx alerts export`, with the tags that become labels here: export anew instead of changing it.\n"


def rules_file(groups: Sequence[Group], runbooks: str = RUNBOOKS) -> str:
    """Return the text of a file of rules.

    Args:
        groups: The groups, each of a name of its own.
        runbooks: Address of the page that has a section for each alert.
    """
    lines = ["groups:"]
    for group in groups:
        lines += [f"  - name: {quoted(group.name)}", "    rules:"]
        for rule in group.rules:
            made = _recording(rule) if isinstance(rule, Recording) else _alert(rule, runbooks)
            lines += (f"      {line}" for line in made)
    return _HEAD + "\n".join(lines) + "\n"


def _recording(rule: Recording) -> Iterator[str]:
    yield f"- record: {rule.record}"
    yield from _entry("expr", rule.expr)
    yield from _mapping("labels", rule.labels)


def _alert(rule: Alert, runbooks: str) -> Iterator[str]:
    yield f"- alert: {rule.alert}"
    yield from _entry("expr", rule.expr)
    if rule.after is not None:
        yield f"  for: {rule.after}"
    if rule.stays is not None:
        yield f"  keep_firing_for: {rule.stays}"
    severity = {} if rule.severity is None else {"severity": rule.severity}
    yield from _mapping("labels", {**severity, **rule.labels})
    ours = quoted(f"{runbooks}#{rule.alert.lower()}")
    yield from _mapping(
        "annotations",
        {
            "summary": rule.summary,
            "description": rule.description,
            # Whoever wrote down what to do when this fails knows better.
            "runbook_url": f"{{{{ or $labels.runbook_url {ours} }}}}",
        },
    )


def _mapping(name: str, entries: Mapping[str, str]) -> Iterator[str]:
    if entries:
        yield f"  {name}:"
        for key, text in entries.items():
            yield from (f"  {line}" for line in _entry(key, text))


def _entry(key: str, text: str) -> Iterator[str]:
    """Yield the lines of a key and its text: a text of several lines as a block, so that a person can read it."""
    lines = text.split("\n")
    as_block = len(lines) > 1 and text == text.strip() and all(line.isprintable() for line in lines)
    if not as_block:
        yield f"  {key}: {quoted(text)}"
    else:
        yield f"  {key}: |-"
        yield from (f"    {line}" for line in lines)
