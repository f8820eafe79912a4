"""A run as a person reads it: a table of its assertions, what did not pass and why, and the verdict."""

from __future__ import annotations

import re
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from dqx.cli.duration import duration_text
from dqx.cli.output import laid_out, plain_table
from dqx.cli.readable import counted, readable
from dqx.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dqx.common import AssertionResult, DatasetRun, SuiteRun

_WIDE = 120  # columns from which there is room for the expressions beside the names
_PASSED_MAX = 200  # rows of assertions that passed; 10,000 take 3 s to lay out, and nobody reads them
_REASONS_MAX = 100
_INDENT = "    "
VERDICT_STYLES = {"passed": "bold green", "failed": "bold red", "error": "bold red", "skipped": "bold yellow"}
_WORDS = {
    "FAILURE": "failed",
    "ERROR": "could not be evaluated",
    "SKIPPED": "skipped",
    "SUCCESS": "passed",
}
_BETWEEN = re.compile(r"(not )?between (\S+) and (\S+)\Z")
_COMPARISONS = ("not between", "between", "==", "!=", "<=", ">=", "<", ">")


def render_run(
    console: Console,
    run: SuiteRun,
    store: str,
    *,
    titled: bool = False,
    verbose: bool = False,
    quiet: bool = False,
) -> str:
    """Return the report on one run, laid out for `console`.

    Args:
        console: Where it will be shown.
        run: The run.
        store: Where it is stored, without secrets.
        titled: Begin with the suite's name, as it is one of several.
        verbose: Show what every plugin did, and all assertions that passed, not the first 200.
        quiet: Leave the table out, and everything of a run that is well.
    """
    if quiet and not run.exit_code:
        return ""
    with console.capture() as captured:
        if titled:
            console.print(_title(run))
        if not quiet and run.results:
            console.print(
                _table(run, wide=console.width >= _WIDE, passed_max=None if verbose else _PASSED_MAX)
            )
            console.print()
        for paragraph in _paragraphs(run, store, verbose=verbose):
            _print(console, paragraph)
    return laid_out(console, captured.get())


def bounds_text(result: AssertionResult) -> tuple[str, str]:
    """Return an assertion's value and what was expected of it, both empty where they are not known."""
    values = list(result.thresholds.values())
    texts = readable(values if result.value is None else [*values, result.value])
    value = "" if result.value is None else texts[-1]
    written = result.expression.removeprefix(result.metric).strip()
    comparison = next((c for c in _COMPARISONS if written.startswith(f"{c} ")), "")
    if not values or not comparison:
        return value, one_line(_BETWEEN.sub(r"\1\2 to \3", written))
    low, high = texts[0], texts[len(values) - 1]
    if len(values) == 1 or (comparison in ("==", "!=") and values[0] == values[1]):
        return value, f"{comparison} {low}"
    # With a tolerance, `== 10 ± 0.1` comes to the same.
    return value, f"{low} to {high}" if comparison in ("==", "between") else f"not {low} to {high}"


def tags_text(tags: Mapping[str, str]) -> str:
    """Return tags by name as `env=prod team=ops`."""
    return one_line(" ".join(f"{name}={tags[name]}" for name in sorted(tags)))


def _table(run: SuiteRun, *, wide: bool, passed_max: int | None) -> Table:
    """Return the assertions by check, in the order in which they are written."""
    from rich.text import Text

    table = plain_table()
    table.add_column("Status", no_wrap=True)
    table.add_column("Sev", no_wrap=True)
    table.add_column("Assertion", overflow="fold")
    table.add_column("Value", justify="right", overflow="fold")
    table.add_column("Expected", overflow="fold")
    if wide:
        table.add_column("Metric", overflow="fold")
    passed = 0
    for check, results in groupby(run.results, attrgetter("check")):
        heading = Text(one_line(check), "bold")
        for result in results:
            passed += result.status == "SUCCESS"
            if result.status == "SUCCESS" and passed_max is not None and passed > passed_max:
                continue
            if heading:
                table.add_row("", "", heading)
                heading = Text()
            value, expected = bounds_text(result)
            cells = [
                Text(result.status, _style(result, run)),
                result.severity,
                Text(f"  {one_line(result.assertion)}"),
                Text(value),
                Text(expected),
                *([Text(one_line(result.metric), "dim")] if wide else []),
            ]
            table.add_row(*cells)
    if passed_max is not None and passed > passed_max:
        table.add_row("SUCCESS", "", f"  and {passed - passed_max:,} more (-v shows all)")
    return table


def _paragraphs(run: SuiteRun, store: str, *, verbose: bool) -> Iterator[Text]:
    """Yield what stands below the table; lines after the first of each are indented."""
    from rich.text import Text

    if reasons := list(_reasons(run)):
        yield from reasons
        yield Text()
    yield from map(_dataset, run.datasets)
    yield from _plugins(run, verbose=verbose)
    if run.store_error:
        yield Text(f"Not stored: {one_line(run.store_error)}", "red")
    if run.delivery_error:
        yield Text(f"Not delivered: {one_line(run.delivery_error)}", "red")
    yield Text(f"Run {run.run_id} {'not stored' if run.store_error else store}", "dim")
    yield _verdict(run)


def _reasons(run: SuiteRun) -> Iterator[Text]:
    """Yield why each assertion did not pass, the worst first; what a failed scan says stands at its dataset."""
    from rich.text import Text

    said = {dataset.error for dataset in run.datasets}
    bad = [r for r in run.results if r.status != "SUCCESS" and r.reason not in said]
    bad.sort(key=lambda r: (r.status == "SKIPPED", r.severity))
    for result in bad[:_REASONS_MAX]:
        text = Text.assemble(
            (result.status, _style(result, run)),
            f" {result.severity} {one_line(result.check)}: {one_line(result.assertion)}",
        )
        if result.status != "SKIPPED" and not _counts(result, run):
            text.append(f" (below {run.fail_on}, does not fail the suite)", "dim")
        if result.reason:
            text.append(f"\n{one_line(result.reason)}")
        whom = [one_line(part) for part in (result.owner, result.runbook_url) if part]
        if whom and result.status != "SKIPPED":
            text.append(f"\n{', '.join(whom)}", "dim")
        yield text
    if len(bad) > _REASONS_MAX:
        yield Text(f"and {len(bad) - _REASONS_MAX:,} more that did not pass (--format json has all)")


def _dataset(dataset: DatasetRun) -> Text:
    from rich.text import Text

    name = one_line(dataset.name)
    if dataset.error is not None:
        reason = dataset.error.removeprefix(f"dataset '{dataset.name}' could not be read: ")
        return Text(f"Dataset {name} could not be read: {one_line(reason)}", "red")
    text = Text(f"Dataset {name}: ")
    if dataset.rows is not None:
        text.append(counted(dataset.rows, "row"), "" if dataset.rows else "yellow")
        text.append(", ")
    text.append(f"{counted(dataset.metrics, 'metric')}, {counted(dataset.reads, 'read')}, ")
    text.append(duration_text(dataset.scan_duration_s))
    if dataset.freshness_at is not None:
        text.append(f", newest {dataset.freshness_at:%Y-%m-%d %H:%M:%S}")
    return text


def _plugins(run: SuiteRun, *, verbose: bool) -> Iterator[Text]:
    """Yield a line for each call into a plugin that did not end well; with `verbose` one for each plugin."""
    from rich.text import Text

    for outcome in run.plugin_outcomes:
        if outcome.outcome not in ("ok", "disabled"):
            required = " (required)" if outcome.required else ""
            said = f": {one_line(outcome.why)}" if outcome.message else ""
            yield Text(
                f"Plugin {one_line(outcome.plugin)}{required}: {outcome.phase} {outcome.outcome.replace('_', ' ')} "
                f"after {duration_text(outcome.duration_s)}{said}",
                "red",
            )
    well: dict[str, list[str]] = {}
    for outcome in run.plugin_outcomes if verbose else ():
        if outcome.outcome in ("ok", "disabled"):
            took = (
                f"disabled ({outcome.message})"
                if outcome.outcome == "disabled"
                else duration_text(outcome.duration_s)
            )
            well.setdefault(outcome.plugin, []).append(f"{outcome.phase} {took}")
    for plugin, calls in well.items():
        yield Text(one_line(f"Plugin {plugin}: {', '.join(calls)}"), "dim")


def _title(run: SuiteRun) -> Text:
    from rich.text import Text

    tags = f" {tags_text(run.key.tags)}" if run.key.tags else ""
    return Text.assemble((one_line(run.suite), "bold"), f" {run.key.yyyy_mm_dd}{tags}")


def _verdict(run: SuiteRun) -> Text:
    from rich.text import Text

    parts = []
    for status, word in _WORDS.items():
        found = [r for r in run.results if r.status == status]
        apart = [r for r in found if status in ("FAILURE", "ERROR") and not _counts(r, run)]
        if len(found) > len(apart):
            parts.append(f"{len(found) - len(apart):,} {word}")
        if apart:
            parts.append(f"{len(apart):,} {word} below {run.fail_on}")
    said = ", ".join(parts) or "no assertion"
    return Text.assemble(
        (run.verdict.upper(), VERDICT_STYLES[run.verdict]),
        " ",
        _title(run),
        f": {said} in {duration_text(run.duration_s)}",
    )


def _counts(result: AssertionResult, run: SuiteRun) -> bool:
    return result.severity <= run.fail_on


def _style(result: AssertionResult, run: SuiteRun) -> str:
    if result.status == "SUCCESS":
        return "green"
    return "bold red" if result.status != "SKIPPED" and _counts(result, run) else "yellow"


def _print(console: Console, paragraph: Text) -> None:
    """Print a paragraph with all its lines but the first indented; wrapped on a terminal, never in a pipe."""
    from rich.text import Text

    for number, line in enumerate(paragraph.split("\n", allow_blank=True) or [paragraph]):
        parts = line.wrap(console, console.width - len(_INDENT)) if console.is_terminal else [line]
        for index, part in enumerate(parts):
            part.rstrip()
            console.print(Text.assemble(_INDENT if number or index else "", part), soft_wrap=True)
