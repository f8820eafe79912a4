"""A folder of text files for the textfile collector of node_exporter."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dqx.telemetry import names
from dqx.telemetry.delivery import DeliveryError
from dqx.telemetry.families import Families, families
from dqx.telemetry.labels import with_hash
from dqx.telemetry.sample import Sample, number
from dqx.whole_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from dqx.telemetry.snapshot import Snapshot

_LONGEST_NAME = 100
"""Characters of a file's name before its ending; many a file system takes 255 bytes."""


@dataclass(frozen=True, slots=True)
class Textfile:
    """Writes each snapshot into a file of its own, whole or not at all; the folder must exist."""

    folder: Path
    name: str = "textfile"

    def send(self, snapshot: Snapshot, *, knows_last_success: bool) -> None:
        """Write the snapshot's file. Without a known last success, the one that the file has is kept.

        Raises:
            DeliveryError: When the folder is missing, full or read-only; what was there before stays.
        """
        path = self.folder / file_name(snapshot.identity.text)
        try:
            if not knows_last_success:
                snapshot = _with_last_success_of(path, snapshot)
            write_whole(path, generate_latest(Families(families(snapshot.samples))))
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise DeliveryError(
                f"textfile: {path} was not written ({why}); the folder must exist, with room in it, and this "
                "user must be allowed to write to it",
                self.name,
            ) from None


def file_name(identity: str) -> str:
    """Return the name of a snapshot's file: `dqx_flights,env=prod.prom`; with a hash where it cannot be that."""
    plain = re.sub(r"[^\w.,=-]", "_", identity, flags=re.ASCII)
    if plain != identity or len(identity) > _LONGEST_NAME:
        hash_of_it = with_hash("", identity, "-")
        plain = plain[: _LONGEST_NAME - len(hash_of_it)] + hash_of_it
    return f"dqx_{plain}.prom"


def _with_last_success_of(path: Path, snapshot: Snapshot) -> Snapshot:
    metric = names.SUITE_LAST_SUCCESS
    if any(sample.metric is metric for sample in snapshot.samples):
        return snapshot
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return snapshot
    # These lines alone: to parse a file of 70,000 takes half a second.
    lines = [line for line in text.splitlines() if line.startswith(metric.prometheus_name + "{")]
    try:
        found = [s.value for f in text_string_to_metric_families("\n".join(lines) + "\n") for s in f.samples]
    except ValueError:  # a file of somebody else, or half of one
        return snapshot
    last_success = number(max(found, default=None))
    if last_success is None:
        return snapshot
    return replace(
        snapshot, samples=(*snapshot.samples, Sample(metric, snapshot.identity.series, last_success))
    )
