"""What belongs to a result: a dict to everybody, and changed by nobody."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from dqx.frozen_dict import FrozenDict, Tags

CHANGES: dict[str, Any] = {
    "set": lambda d: d.__setitem__("a", "x"),
    "delete": lambda d: d.__delitem__("a"),
    "clear": lambda d: d.clear(),
    "pop": lambda d: d.pop("a"),
    "popitem": lambda d: d.popitem(),
    "setdefault": lambda d: d.setdefault("b", "x"),
    "update": lambda d: d.update(b="x"),
    "or": lambda d: d.__ior__({"b": "x"}),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", [FrozenDict, Tags])
def test_what_belongs_to_a_result_cannot_be_changed(kind: type[FrozenDict[str, str]], change: str) -> None:
    """By no method of a dict."""
    frozen = kind({"a": "b"})
    with pytest.raises(TypeError, match=r"belongs to a result and cannot be changed; dict\(it\) is a copy"):
        CHANGES[change](frozen)
    assert frozen == {"a": "b"}


@pytest.mark.parametrize("kind", [FrozenDict, Tags])
def test_frozen_dicts_are_dicts_all_the_same(kind: type[FrozenDict[str, str]]) -> None:
    """To json, pickle, copy, isinstance and `|`."""
    frozen = kind({"a": "b"})
    assert isinstance(frozen, dict)
    assert json.loads(json.dumps(frozen)) == {"a": "b"}
    for other in (pickle.loads(pickle.dumps(frozen)), copy.copy(frozen), copy.deepcopy(frozen)):
        assert other == frozen
        assert type(other) is kind
    assert frozen | {"c": "d"} == {"a": "b", "c": "d"}
    copied = dict(frozen)
    copied["a"] = "x"
    assert frozen["a"] == "b"
