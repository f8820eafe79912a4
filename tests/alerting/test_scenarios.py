"""Each alert fires when it should, and only then: promtool plays the rules against courses of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.alerting import standing_scenarios, vanishing_scenarios
from tests.alerting.scenario import names_of_alerts, promtool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.alerting.scenario import Scenario


STANDING = standing_scenarios.SCENARIOS
VANISHING = vanishing_scenarios.SCENARIOS


@pytest.mark.parametrize("scenario", STANDING, ids=str)
def test_what_fires_where_samples_stay(tmp_path: Path, scenario: Scenario) -> None:
    """Exactly what was expected, with these labels, at these minutes."""
    played = promtool(tmp_path, scenario)
    assert played.returncode == 0, played.stdout + played.stderr


@pytest.mark.parametrize("scenario", VANISHING, ids=str)
def test_what_fires_where_samples_vanish(tmp_path: Path, scenario: Scenario) -> None:
    """The same, by OTLP."""
    played = promtool(tmp_path, scenario)
    assert played.returncode == 0, played.stdout + played.stderr


@pytest.mark.parametrize("scenarios", [STANDING, VANISHING], ids=["stay", "vanish"])
def test_every_alert_fires_somewhere_and_is_silent_somewhere(scenarios: list[Scenario]) -> None:
    """No rule without a scenario."""
    names = {name for scenario in scenarios for name in names_of_alerts(scenario.groups)}
    moments = [{each["alertname"] for each in firing} for s in scenarios for firing in s.firing.values()]
    assert set.union(*moments) == names
    assert not set.intersection(*moments)
