"""`dqx dashboards`: the Grafana dashboards that come with DQX, as an installation needs them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dqx.cli.diagnostics import verbose_option
from dqx.cli.settings import read_settings
from dqx.common import ConfigurationError
from dqx.whole_file import write_whole


@click.group()
def dashboards() -> None:
    """Hand out the Grafana dashboards.

    \b
    Example:
      dqx dashboards export dashboards
    """  # noqa: D301  # \b is how click is told to keep lines as they are


@dashboards.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--datasource",
    metavar="UID",
    help="The uid of a Prometheus data source in Grafana, instead of a variable to pick one by.",
)
@verbose_option()
def export(*, folder: Path, datasource: str | None) -> None:
    """Write the dashboards into a folder.

    They are JSON for Grafana 12.2 or newer, and have the labels that the setting label_tags names. Files of the
    same names are replaced; the folder is made when it is not there.

    \b
    Examples:
      dqx dashboards export dashboards
      dqx dashboards export /var/lib/grafana/dashboards --datasource prometheus
    """  # noqa: D301  # \b is how click is told to keep lines as they are
    from dqx.dashboards import dashboards as shipped

    found = shipped(read_settings().known_label_tags, datasource)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, dashboard in found.items():
            text = json.dumps(dashboard, indent=2, ensure_ascii=False)
            write_whole(folder / name, f"{text}\n".encode())
    except OSError as error:
        raise ConfigurationError(
            f"the dashboards cannot be written into {folder}: {error.strerror}; name a folder that you may write to",
            str(folder),
        ) from error
    click.echo(f"wrote {', '.join(found)} into {folder}")
