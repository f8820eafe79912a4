"""`dqx serve`: the exporter that Prometheus scrapes, from the store, for as long as it is left running."""

from __future__ import annotations

import logging
import threading
from contextlib import closing

import click

from dqx.cli.diagnostics import logging_to_stderr, verbose_option
from dqx.cli.options import db_option, log_format_option, log_level_option
from dqx.cli.settings import LogFormat, LogLevel, read_settings
from dqx.cli.store import existing_store

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9464
"""The port that OpenTelemetry's exporters for Prometheus take."""


@click.command()
@db_option
@click.option(
    "--host",
    default=DEFAULT_HOST,
    show_default=True,
    metavar="ADDRESS",
    help="The address to listen on; 0.0.0.0 for all.",
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="The port; 0 takes a free one.",
)
@verbose_option()
@log_level_option
@log_format_option
def serve(
    *, db: str | None, host: str, port: int, log_level: LogLevel | None, log_format: LogFormat | None
) -> None:
    """Answer Prometheus from the store, until interrupted.

    /metrics has the newest run of every suite under each set of label tags, and what was started or
    registered and never finished; /readyz says whether the store can be read, /healthz that the exporter
    lives. While the store cannot be read, /metrics answers 503.

    \b
    Examples:
      dqx serve --db sqlite:///quality.db
      dqx serve --db postgresql://user@host/database --host 0.0.0.0 --port 9464
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    from dqx.exporter.app import ExporterApp
    from dqx.exporter.server import Server
    from dqx.exporter.store import StoreSource
    from dqx.telemetry.labels import check_label_tags

    # It warns of every scrape that comes while another one is answered.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    settings = read_settings()
    check_label_tags(settings.known_label_tags)
    with (
        logging_to_stderr(log_level or settings.log_level, log_format or settings.log_format),
        existing_store(db or settings.db) as store,
        closing(StoreSource(store, settings.known_label_tags)) as source,
        closing(Server(ExporterApp(source), host, port)) as server,
    ):
        click.echo(f"answering {server.url}/metrics from {store.url}", err=True)
        threading.Event().wait()
