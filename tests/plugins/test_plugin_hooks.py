"""The signatures of hooks, checked when a plugin is loaded or registered."""

from __future__ import annotations

import inspect
from typing import Any
from unittest.mock import MagicMock

import pytest

from dqx.common import ConfigurationError
from dqx.plugins import ResultProcessor
from dqx.plugins.hooks import HOOKS, OPTIONAL, Closing, Finishing, call_of, check_hooks, optional_hooks


class Good:
    def initialize(self, config: Any) -> None: ...
    def process(self, results: Any, symbols: Any, suite_name: Any, context: Any) -> None: ...


class UnderscoredAndDefaulted(Good):
    def process(
        self, results: Any, _symbols: Any, _: Any, context: Any, more: int = 1, *, most: int = 2
    ) -> None: ...


class Starred(Good):
    def initialize(self, *args: Any, **kwargs: Any) -> None: ...
    def process(self, results: Any, *rest: Any) -> None: ...


class Optional(Good):
    def finish(self, outcomes: Any) -> None: ...
    def shutdown(self) -> None: ...


class StaticAndClass(Good):
    @staticmethod
    def initialize(config: Any) -> None: ...
    @classmethod
    def process(cls, results: Any, symbols: Any, suite_name: Any, context: Any) -> None: ...


class NoneAsOptional(Good):
    finish = None


@pytest.mark.parametrize("plugin", [Good(), UnderscoredAndDefaulted(), Starred(), Optional(), StaticAndClass(),
                                    NoneAsOptional(), MagicMock()])  # fmt: skip
def test_what_can_be_called_as_dqx_calls_it_is_accepted(plugin: Any) -> None:
    """An argument that is not used may be underscored; stars and defaults are welcome."""
    check_hooks(plugin)


class NoProcess:
    def initialize(self, config: Any) -> None: ...


class ProcessIsNoMethod(NoProcess):
    process = 5


class Lacks(Good):
    def process(self, results: Any, symbols: Any, suite_name: Any) -> None: ...


class Swapped(Good):
    def process(self, symbols: Any, results: Any, suite_name: Any, context: Any) -> None: ...


class Renamed(Good):
    def process(self, results: Any, symbols: Any, suite: Any, context: Any) -> None: ...


class WantsMore(Good):
    def initialize(self, config: Any, environment: Any) -> None: ...


class WantsKeyword(Good):
    def initialize(self, config: Any, *, environment: Any) -> None: ...


class NoSelf(Good):
    def shutdown() -> None: ...


class Async(Good):
    async def process(self, results: Any, symbols: Any, suite_name: Any, context: Any) -> None: ...


class BadFinish(Good):
    def finish(self) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "culprit", "message"),
    [
        (
            NoProcess(),
            "process",
            "NoProcess does not implement ResultProcessor protocol: it has no method process(",
        ),
        (ProcessIsNoMethod(), "process", "it has no method process(results, symbols, suite_name, context)"),
        (
            object(),
            "initialize",
            "object does not implement ResultProcessor protocol: it has no method initialize(",
        ),
        (
            Lacks(),
            "context",
            "process() lacks the argument 'context'; DQX calls process(results, symbols, suite_name, ",
        ),
        (Swapped(), "symbols", "process() has 'symbols' as argument 1 where 'results' is given"),
        (Renamed(), "suite", "process() has 'suite' as argument 3 where 'suite_name' is given"),
        (
            WantsMore(),
            "environment",
            "initialize() needs an argument 'environment' that nothing is given for",
        ),
        (
            WantsKeyword(),
            "environment",
            "initialize() needs an argument 'environment' that nothing is given for",
        ),
        (Async(), "process", "process() is async and would never be awaited"),
        (BadFinish(), "outcomes", "finish() lacks the argument 'outcomes'; DQX calls finish(outcomes)"),
        (Good, "Good", "Good is a class; a plugin is an instance of it: Good()"),
    ],
)
def test_a_wrong_signature_is_refused_by_name(plugin: Any, culprit: str, message: str) -> None:
    """The message names method and argument and says how DQX calls it; the culprit is an attribute."""
    with pytest.raises(ConfigurationError) as caught:
        check_hooks(plugin)
    assert message in str(caught.value)
    assert caught.value.culprit == culprit


def test_a_method_without_a_signature_is_given_the_benefit_of_the_doubt() -> None:
    """What is written in C cannot always be looked into; the first call will tell."""
    plugin = Good()
    plugin.initialize = {}.update
    check_hooks(plugin)


def test_the_protocol_and_the_table_of_hooks_agree() -> None:
    """What the type says is what is checked and how it is called."""
    protocols = {
        "initialize": ResultProcessor,
        "process": ResultProcessor,
        "finish": Finishing,
        "shutdown": Closing,
    }
    for hook, protocol in protocols.items():
        assert tuple(inspect.signature(getattr(protocol, hook)).parameters)[1:] == HOOKS[hook]
    assert set(HOOKS) - OPTIONAL == {"initialize", "process"}


def test_the_protocol_can_be_asked_about_an_object() -> None:
    """It is checkable at run time, by the methods that every plugin must have."""
    assert isinstance(Good(), ResultProcessor)
    assert not isinstance(NoProcess(), ResultProcessor)


def test_optional_hooks_are_found() -> None:
    """A hook that is None counts as absent."""
    assert optional_hooks(Optional()) == {"finish", "shutdown"}
    assert optional_hooks(Good()) == optional_hooks(NoneAsOptional()) == set()


def test_a_hook_is_looked_up_when_it_is_called() -> None:
    """That is on the plugin's own thread: a property may raise, or hang."""
    call = call_of(object(), "process", [], [])
    with pytest.raises(AttributeError):
        call()
