"""A dict that cannot be changed: what belongs to a result is read by many, and changed by none of them."""

from __future__ import annotations

from typing import NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A `dict` that cannot be changed; json, pickle, copy and isinstance treat it as the dict it is."""

    __slots__ = ()

    def _read_only(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this belongs to a result and cannot be changed; dict(it) is a copy that can")

    __setitem__ = __delitem__ = __ior__ = _read_only
    clear = pop = popitem = setdefault = update = _read_only

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        return type(self), (dict(self),)


class Tags(FrozenDict[str, str]):
    """Tags of a run or a result, text to text."""

    __slots__ = ()
