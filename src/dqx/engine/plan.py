"""From assertions to what must be read: every metric once, by dataset, and what history is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dqx.common import ConfigurationError
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from dqx.common import ResultKey
    from dqx.engine.assertion import Assertion
    from dqx.engine.expression import Metric
    from dqx.engine.metrics import MetricSpec


class Symbol(NamedTuple):
    """A metric of one dataset, on the key date (lag 0) or that many days before, by the spec's identity.

    A tuple of plain values: it is hashed several times for each assertion, and tuples are hashed in C.
    """

    dataset: str
    identity: str
    lag: int


@dataclass(frozen=True, slots=True)
class SymbolPlan:
    """What a symbol stands for, and what its author called it."""

    spec: MetricSpec
    label: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run needs: the symbols, in the order in which they are first named.

    `scans` has the metrics of each dataset, the unlagged base of every lagged one among them. `only_dataset` is
    the run's dataset where it has one alone.
    """

    symbols: Mapping[Symbol, SymbolPlan]
    scans: Mapping[str, Sequence[MetricSpec]]
    only_dataset: str | None

    def lagged(self, key: ResultKey) -> dict[tuple[str, str, date], Symbol]:
        """Return the symbols of days before, each by what history keeps it under: dataset, metric id and day.

        Raises:
            ConfigurationError: When one looks back to before the year 1.
        """
        return {
            (symbol.dataset, planned.spec.metric_id, key.lag(symbol.lag).yyyy_mm_dd): symbol
            for symbol, planned in self.symbols.items()
            if symbol.lag
        }


def make_plan(assertions: Sequence[Assertion], datasets: Collection[str]) -> Plan:
    """Return the plan of a run over `datasets`.

    Raises:
        ConfigurationError: When a metric is of no dataset of the run, or it does not say of which of several.
    """
    symbols: dict[Symbol, SymbolPlan] = {}
    scans: dict[str, dict[MetricSpec, None]] = {}
    only = next(iter(datasets)) if len(datasets) == 1 else None
    for assertion in assertions:
        for metric in assertion.metrics():
            dataset = assertion.dataset_of(metric, only)
            if dataset is None or dataset not in datasets:
                raise _no_dataset(assertion, metric, dataset, datasets)
            # The base of a lagged metric is computed and stored, too, or there never would be a history.
            for lag in (metric.lag, 0) if metric.lag else (0,):
                symbol = Symbol(dataset, metric.spec.identity, lag)
                known = symbols.get(symbol)
                if known is None or (known.label is None and metric.label is not None):
                    symbols[symbol] = SymbolPlan(metric.spec, metric.label)
                    scans.setdefault(dataset, {})[metric.spec] = None
    return Plan(symbols, {dataset: tuple(specs) for dataset, specs in scans.items()}, only)


def _no_dataset(
    assertion: Assertion, metric: Metric, dataset: str | None, datasets: Collection[str]
) -> ConfigurationError:
    where = f"check '{assertion.check}', assertion '{assertion.name}': {metric.spec.render(lag=metric.lag)}"
    if dataset is None:
        return ConfigurationError(
            f"{where} is of none of the run's datasets in particular ({', '.join(sorted(datasets)) or 'none'}); "
            "write dataset=... in the metric, or datasets=[...] with one name in the check",
            str(metric),
        )
    return ConfigurationError(
        f"{where} needs dataset '{dataset}', which the run does not have; give it to run(...), or name it with "
        f"--data {dataset}=...{did_you_mean(dataset, datasets)}",
        dataset,
    )
