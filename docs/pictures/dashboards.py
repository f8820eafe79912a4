"""Draw the pictures of the dashboards again: `python -m docs.pictures.dashboards`.

They are drawn by a preview that is built from Grafana's published component library, against a real Prometheus with
a made-up history. Without the preview they stay as they are.

DASHBOARD_PREVIEW: the preview's program, which is called as
    `PROGRAM DASHBOARD.json --prometheus URL -o FILE.png --width PIXELS --var NAME=VALUE`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from docs.pictures.history import Suite, Wrong, write
from tests.servers.processes import binary
from tests.servers.prometheus import prometheus_server

PICTURES = Path(__file__).resolve().parent
DASHBOARDS = PICTURES.parents[1] / "dashboards"
WIDTH = 1300
"""In pixels: at this width the pictures stay well below 300 kB."""
HOURS = 8 * 24 + 2
"""More than a week, which the data metrics look back."""

HOUR = 3600.0
SUITES = (
    Suite("orders", 0, every_s=HOUR, wrong=Wrong(6 * HOUR, failing=(1, 4), erroring=(6,))),
    Suite(
        "payments",
        1,
        every_s=HOUR / 2,
        wrong=Wrong(3 * HOUR, failing=(3,), plugin="email_alerts", dropped=40),
    ),
    Suite("customers", 2, every_s=HOUR),
    Suite("flights", 3, every_s=HOUR / 2, wrong=Wrong(2 * HOUR, stopped=True)),
    Suite("stock", 4, every_s=HOUR, wrong=Wrong(3 * HOUR, crashed=True)),
    Suite("stock", 4, env="staging", every_s=HOUR),
    Suite("events", 5, every_s=HOUR),
    Suite("returns", 6, every_s=HOUR, ran=False),
)
ONE = {"suite": "orders"}
PAGES: dict[str, dict[str, str]] = {
    "overview": {},
    "suite": {**ONE, "check": "Orders are complete", "assertion": "price is known"},
    "data_metrics": ONE,
    "pipeline": {},
}


def main() -> int:
    """Draw them, or say why they were left."""
    preview = os.environ.get("DASHBOARD_PREVIEW")
    if not preview:
        print("left as they were: the pictures of the dashboards, which need DASHBOARD_PREVIEW")
        return 0
    with tempfile.TemporaryDirectory(prefix="dqx-pictures-") as name:
        folder = Path(name)
        # It ends a little after now, which passes while the pictures are drawn.
        for file in write(SUITES, datetime.now(UTC) + timedelta(minutes=10), HOURS, folder):
            make: list[str | Path] = [
                binary("promtool"),
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                "--quiet",
                file,
            ]
            subprocess.run([*make, folder / "data"], check=True)
            file.unlink()
        with prometheus_server(folder) as prometheus:
            for page, variables in PAGES.items():
                picture = PICTURES / f"dashboard_{page}.png"
                command: list[str | Path] = [
                    preview,
                    DASHBOARDS / f"{page}.json",
                    "--prometheus",
                    prometheus.url,
                    "-o",
                    picture,
                ]
                command += ["--width", str(WIDTH)]
                command += [part for key, value in variables.items() for part in ("--var", f"{key}={value}")]
                subprocess.run(command, check=True, capture_output=True)
                print(f"docs/pictures/{picture.name}: {picture.stat().st_size / 1000:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
