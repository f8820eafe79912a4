"""Labels of series: identities, names that are not legal, and names that collide."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dqx.common import ConfigurationError
from dqx.telemetry import names
from dqx.telemetry.families import Families, families
from dqx.telemetry.labels import check_label_tags, identity_of, legal, told_apart
from dqx.telemetry.snapshot import snapshot_of
from dqx.testing import assertion_result, symbol_info

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = st.text(max_size=300)
TAGS = st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=20), max_size=3).filter(
    lambda tags: not {re.sub(r"[^a-zA-Z0-9_]", "_", tag) for tag in tags} & {*names.LABELS, "job", "instance"}
)


@pytest.mark.parametrize(
    ("suite", "tags", "text"),
    [
        ("flights", {}, "flights"),
        ("flights", {"env": "prod"}, "flights,env=prod"),
        ("flights", {"region": "eu", "env": "prod"}, "flights,env=prod,region=eu"),
        ("Flights, complete", {}, "Flights, complete"),
        ("éclair 🥐", {"env": "a b"}, "éclair 🥐,env=a b"),
        ("flights", {"env": ""}, "flights,env="),
    ],
)
def test_an_identity_reads_as_suite_and_tags(suite: str, tags: Mapping[str, str], text: str) -> None:
    """It stands in queries that people write."""
    identity = identity_of(suite, tags)
    assert identity.text == text
    assert identity.suite == suite
    assert identity.series == {"suite": suite, "snapshot": text, **tags}


@given(st.tuples(NAMES, TAGS), st.tuples(NAMES, TAGS))
def test_two_identities_are_two_texts(
    one: tuple[str, dict[str, str]], other: tuple[str, dict[str, str]]
) -> None:
    """What differs in suite or tags is never taken for one another."""
    assert (identity_of(*one).text == identity_of(*other).text) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("flights,env=prod", {}), ("flights", {"env": "prod"})),
        (("f", {"a": "1,b=2"}), ("f", {"a": "1", "b": "2"})),
        (("x" * 300, {}), ("x" * 301, {})),
        (("a\x00", {}), ("a\x01", {})),
        (("f", {"a": "v" * 300}), ("f", {"a": "v" * 301})),
    ],
)
def test_identities_that_would_look_alike_get_a_hash(
    one: tuple[str, dict[str, str]], other: tuple[str, dict[str, str]]
) -> None:
    """Each of them by itself, as the other one may be in another process."""
    assert identity_of(*one).text != identity_of(*other).text
    assert all(len(identity_of(*each).text) <= 256 for each in (one, other))


@pytest.mark.parametrize("tag", [*names.LABELS, "job", "instance"])
def test_a_tag_named_like_a_label_is_refused(tag: str) -> None:
    """It would overwrite ours; the message says what to do."""
    with pytest.raises(ConfigurationError, match=f"the tag '{tag}' cannot become a label.*rename") as refused:
        check_label_tags([tag])
    assert refused.value.culprit == tag
    with pytest.raises(ConfigurationError):
        snapshot_of([], [], "s", {"labels": {tag: "x"}})


@pytest.mark.parametrize(
    ("tags", "labels"),
    [
        (["env"], {"env": "env"}),
        (["cost-center"], {"cost-center": "cost_center"}),
        (["1st"], {"1st": "tag_1st"}),
        (["__name__"], {"__name__": "tag___name__"}),
        (["über"], {"über": "_ber"}),
        ([""], {"": "tag_"}),
    ],
)
def test_a_tag_becomes_a_legal_label(tags: list[str], labels: dict[str, str]) -> None:
    """Label names are of letters, digits and underscores, as every version of Prometheus takes them."""
    assert check_label_tags(tags) == labels


def test_tags_that_become_the_same_label_are_told_apart() -> None:
    """The one that was legal keeps its name."""
    made = check_label_tags(["a-b", "a.b", "a_b"])
    assert made["a_b"] == "a_b"
    assert len(set(made.values())) == 3
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name in made.values())


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain", "plain"),
        ("quotes \"' and \\", "quotes \"' and \\"),
        ("two\nlines", "two\nlines"),
        ("emoji 🦆", "emoji 🦆"),
        ("NUL\x00 and ESC\x1b", "NUL  and ESC "),
        ("half \ud800 a pair", "half   a pair"),
        ("x" * 10_000, "x" * 255 + "…"),
        ("see postgresql://me:secret@host/db", "see postgresql://***@host/db"),
        ("password: not null", "password: not null"),
        ("", ""),
    ],
)
def test_a_text_becomes_a_legal_value(text: str, made: str) -> None:
    """At most 256 characters, no control characters, no password of a URL; anything else is left as it is."""
    assert legal(text) == made


@given(st.lists(st.text(max_size=300)))
def test_different_texts_stay_different(texts: list[str]) -> None:
    """However alike they become, each has a name of its own of at most 256 characters."""
    made = told_apart(texts)
    assert len(set(made.values())) == len(set(texts))
    assert all(len(name) <= 256 for name in made.values())


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_names_come_back_from_the_parser_as_they_were_made_legal(
    suite: str, check: str, assertion: str
) -> None:
    """Quotes, backslashes and newlines are escaped."""
    made = snapshot_of([assertion_result(check=check, assertion=assertion)], [], suite, {})
    text = generate_latest(Families(families(made.samples))).decode()
    parsed = {
        (s.labels["suite"], s.labels["check"], s.labels["assertion"])
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if family.name == names.ASSERTION_PASSED.prometheus_name
    }
    assert parsed == {(made.identity.suite, legal(check), legal(assertion))}


def test_assertions_that_are_the_same_once_cut_get_a_hash_and_a_warning() -> None:
    """A 10 kB name is no reason to lose a series."""
    long = [assertion_result(assertion="x" * 10_000 + end) for end in ("a", "b")]
    made = snapshot_of([*long, assertion_result()], [], "s", {})
    found = {s.labels["assertion"] for s in made.samples if s.metric is names.ASSERTION_PASSED}
    assert len(found) == 3
    assert all(len(name) <= 256 for name in found)
    (warning,) = made.warnings
    assert warning == (
        "suite s: the names of 2 assertions are the same once cut at 256 characters and made legal; "
        "they are told apart by a hash"
    )
    again = snapshot_of([*reversed(long)], [], "s", {})
    assert {s.labels["assertion"] for s in again.samples if s.metric is names.ASSERTION_PASSED} < found


def test_two_results_of_one_name_are_numbered() -> None:
    """A suite refuses them; what somebody makes by hand is still a legal exposition."""
    results = [assertion_result(), assertion_result("FAILURE", assertion="price is positive", severity="P0")]
    made = snapshot_of(results, [], "s", {})
    found = [s.labels["assertion"] for s in made.samples if s.metric is names.ASSERTION_PASSED]
    assert found == ["price is positive", "price is positive#2"]


def test_datasets_that_are_the_same_once_cut_are_told_apart() -> None:
    """In the series of datasets as in those of metrics."""
    longs = ["d" * 400, "d" * 500]
    facts = {name: {"rows": 1, "scan_duration_s": 0.1, "freshness_at": None} for name in longs}
    made = snapshot_of([], [symbol_info(dataset=name) for name in longs], "s", {"datasets": facts})
    for metric in (names.DATASET_ROW_COUNT, names.METRIC_VALUE):
        assert len({s.labels["dataset"] for s in made.samples if s.metric is metric}) == 2
