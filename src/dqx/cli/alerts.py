"""`dqx alerts`: rules for Prometheus, with the labels of this installation and what a checks file says."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqx.cli.checks_file import load_suites
from dqx.cli.diagnostics import verbose_option
from dqx.cli.options import every_option, merged, suite_option, tag_option
from dqx.cli.output import emit
from dqx.cli.settings import read_settings
from dqx.common import ConfigurationError
from dqx.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from dqx.alerting.suite import ExpectedSuite
    from dqx.api import VerificationSuite


@click.group()
def alerts() -> None:
    """Write rules for Prometheus.

    \b
    Examples:
      dqx alerts export -o dqx.rules.yaml
      dqx alerts export checks.py --tag env=prod -o dqx.rules.yaml
    """  # noqa: D301  # \b is how click is told to keep lines as they are


@alerts.command()
@click.argument("checks", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the rules are written, instead of stdout.",
)
@click.option(
    "--otlp",
    is_flag=True,
    help="Write the rules for metrics that come by OTLP, whose samples vanish after five minutes.",
)
@click.option(
    "--runbooks",
    metavar="URL",
    help="Where your people read docs/alerting.md, or a page of your own with a section for each alert.",
)
@tag_option
@suite_option
@every_option
@verbose_option()
def export(
    *,
    checks: tuple[Path, ...],
    output: Path | None,
    otlp: bool,
    runbooks: str | None,
    tags: list[tuple[str, str]],
    suite: str | None,
    every: timedelta | None,
) -> None:
    """Write recording and alerting rules.

    They group by the tags that label_tags names. With checks files an alert also says what its assertion
    expects, and a suite of which nothing is known at all raises one. Name all of them at once, and give the tags
    that the suites run with, as for `dqx run`.

    \b
    Examples:
      dqx alerts export -o dqx.rules.yaml
      dqx alerts export checks.py --tag env=prod -o dqx.rules.yaml
      dqx alerts export checks.py --tag env=prod --otlp -o dqx-prod.rules.yaml
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    from dqx.alerting.rules import RUNBOOKS, standing_rules, vanishing_rules
    from dqx.alerting.rules_file import rules_file
    from dqx.telemetry.labels import check_label_tags

    settings = read_settings()
    labels = tuple(check_label_tags(settings.known_label_tags).values())
    known: list[ExpectedSuite] = []
    if checks:
        suites = [
            found
            for path in checks
            for found in load_suites(path, None, suite=suite, every=every, every_default=settings.every)
        ]
        known = _expected(suites, merged("--tag", tags, settings.tags), settings.known_label_tags)
    else:
        given = {"--otlp": otlp, "--tag": tags, "--suite": suite, "--every": every}
        for flag, value in given.items():
            if value:
                raise click.UsageError(f"{flag} is about the suites of a checks file; name the file, too")
    if otlp:
        for each in known:
            _say_what_is_not_seen(each)
        groups = [vanishing_rules(labels, each) for each in known]
    else:
        groups = [standing_rules(labels, known)]
    _write(rules_file(groups, runbooks or RUNBOOKS), output)


def _expected(
    suites: Sequence[VerificationSuite], tags: Mapping[str, str], label_tags: Sequence[str]
) -> list[ExpectedSuite]:
    from dqx.alerting.suite import expected_suite

    twice = [name for name, count in Counter(suite.name for suite in suites).items() if count > 1]
    if twice:
        raise ConfigurationError(f"two of the checks files have a suite named '{twice[0]}'", twice[0])
    labels = {tag: tags[tag] for tag in label_tags if tag in tags}
    today = datetime.now(UTC).date()
    return [expected_suite(suite.info, labels, suite.assertions(), today) for suite in suites]


def _say_what_is_not_seen(suite: ExpectedSuite) -> None:
    """Warn of alerts that cannot come where samples vanish."""
    from dqx.alerting.promql import duration
    from dqx.alerting.suite import RETENTION_S

    lookback = duration(suite.lookback_s)
    if suite.late_after_s is None:
        click.echo(
            f"suite '{suite.info.name}' has no every=: it is never late, and what failed is forgotten after "
            f"{lookback}",
            err=True,
        )
    if suite.lookback_s > RETENTION_S:
        click.echo(
            f"suite '{suite.info.name}': its rules look back {lookback}, and Prometheus keeps "
            f"{duration(RETENTION_S)} unless told otherwise, so that it would always count as late; start it with "
            f"--storage.tsdb.retention.time={lookback} or more",
            err=True,
        )


def _write(text: str, output: Path | None) -> None:
    """Write to stdout, or to a file that Prometheus may be reading."""
    if output is None:
        emit(text)
        return
    try:
        write_whole(output, text.encode())
    except OSError as error:
        raise ConfigurationError(
            f"{output} cannot be written ({error.strerror or error})", str(output)
        ) from error
