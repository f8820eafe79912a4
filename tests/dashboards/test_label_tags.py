"""The shipped dashboards become those of other label tags as if the generator had made them for these."""

from __future__ import annotations

import pytest
from dashboards.generate import dashboards as generated

from dqx.common import ConfigurationError
from dqx.dashboards import dashboards


@pytest.mark.parametrize(
    "tags",
    [(), ("env",), ("region",), ("env", "region"), ("region", "env"), ("team", "env", "region")],
    ids=str,
)
def test_what_is_handed_out_is_what_the_generator_would_make(tags: tuple[str, ...]) -> None:
    """In queries, legends, links, variables and columns."""
    assert dashboards(tags) == generated(tags)


def test_a_tag_that_is_no_name_becomes_the_label_that_the_series_have() -> None:
    """As in the telemetry itself."""
    assert dashboards(["data center"]) == generated(["data_center"])


def test_a_data_source_takes_the_place_of_the_variable() -> None:
    """Everywhere, and nothing is left to pick one by."""
    for dashboard in dashboards(["env"], "prom-1").values():
        assert "datasource" not in [each["name"] for each in dashboard["templating"]["list"]]
        assert "${datasource" not in str(dashboard)
        assert dashboard["panels"][0]["datasource"] == {"type": "prometheus", "uid": "prom-1"}


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("lookback", "the tag 'lookback' is named like a variable of the dashboards"),
        ("datasource", "the tag 'datasource' is named like a variable of the dashboards"),
        ("suite", "the tag 'suite' cannot become a label"),
    ],
)
def test_a_tag_whose_name_is_taken_is_refused(tag: str, said: str) -> None:
    """By name."""
    with pytest.raises(ConfigurationError, match=said) as refused:
        dashboards(["env", tag])
    assert refused.value.culprit == tag
