"""Values and names of labels: made legal, told apart, and what all series of a snapshot have in common."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dqx.common import ConfigurationError
from dqx.frozen_dict import FrozenDict
from dqx.telemetry import names
from dqx.telemetry.redaction import MAX_TEXT, cut, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_LABEL_TAGS = ("env",)
"""The tags that become labels unless somebody says others."""

_SCRAPERS_OWN = ("job", "instance")
"""Labels that a scrape adds: with `honor_labels` a tag of that name would take their place."""

_LOOKS_LIKE_A_TAG = re.compile(r",[a-zA-Z_]\w*=")


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a snapshot from all others: a suite, and those of a run's tags that became labels.

    `text` is the label `snapshot`: `flights`, or `flights,env=prod`. `series` are the labels that every series
    of the snapshot has.
    """

    text: str
    suite: str
    labels: FrozenDict[str, str]

    @property
    def series(self) -> FrozenDict[str, str]:
        """Return suite, snapshot and the tags that became labels."""
        return FrozenDict({"suite": self.suite, "snapshot": self.text, **self.labels})


def identity_of(suite: str, tags: Mapping[str, str]) -> Identity:
    """Return the identity of a snapshot.

    Args:
        suite: Name of the suite.
        tags: Those tags of its key that became labels.

    Raises:
        ConfigurationError: When a tag is named like a label that is taken.
    """
    label_names = check_label_tags(tags)
    labels = FrozenDict({label_names[tag]: legal(tags[tag]) for tag in sorted(tags)})
    text = legal(suite) + "".join(f",{name}={value}" for name, value in labels.items())
    # Two suites in two processes cannot be compared, so whatever might stand for another gets a hash at once.
    doubtful = (
        legal(suite) != suite
        or len(text) > MAX_TEXT
        or any(labels[label_names[tag]] != value for tag, value in tags.items())
        or any(_LOOKS_LIKE_A_TAG.search(part) for part in (suite, *tags.values()))
    )
    if doubtful:
        text = with_hash(text, repr((suite, sorted(tags.items()))))
    return Identity(text, legal(suite) if legal(suite) == suite else with_hash(legal(suite), suite), labels)


def check_label_tags(tags: Iterable[str]) -> dict[str, str]:
    """Return the label that each tag becomes: its own name where that is legal in Prometheus.

    Raises:
        ConfigurationError: When that is the name of a label of ours, or one that a scrape adds.
    """
    made = {tag: re.sub(r"[^a-zA-Z0-9_]", "_", tag) for tag in tags}
    # Two underscores in front are Prometheus's own, a digit in front is not allowed.
    made = {tag: f"tag_{name}" if re.match(r"__|[0-9]|$", name) else name for tag, name in made.items()}
    for tag, name in made.items():
        if name in names.LABELS or name in _SCRAPERS_OWN:
            taken = ", ".join([*names.LABELS, *_SCRAPERS_OWN])
            raise ConfigurationError(
                f"label_tags: the tag '{tag}' cannot become a label, because '{name}' is one already; rename the "
                f"tag, or leave it out of label_tags (taken are {taken})",
                tag,
            )
    return _apart(made, "_")


def legal(text: str) -> str:
    """Return a text as the value of a label: at most 256 characters, no control characters, no secret of a URL."""
    if "://" in text or not text.isprintable():
        return redact(text, MAX_TEXT)
    return cut(text, MAX_TEXT)


def told_apart(texts: Iterable[str]) -> dict[str, str]:
    """Return the legal form of each text; where several would be the same, those that were changed get a hash."""
    return _apart({text: legal(text) for text in texts}, "~")


def collisions(made: Mapping[str, str]) -> int:
    """Return how many of the names that `told_apart` made carry a hash."""
    return sum(1 for text, name in made.items() if name not in (text, legal(text)))


def with_hash(name: str, content: str, mark: str = "~") -> str:
    """Return a name that ends in 48 bits of a hash of `content`, at most 256 characters long."""
    suffix = mark + hashlib.blake2b(content.encode(errors="surrogatepass"), digest_size=6).hexdigest()
    return name[: MAX_TEXT - len(suffix)] + suffix


def _apart(made: dict[str, str], mark: str) -> dict[str, str]:
    counts = Counter(made.values())
    if len(counts) == len(made):
        return made
    return {
        text: with_hash(name, text, mark) if counts[name] > 1 and name != text else name
        for text, name in made.items()
    }
