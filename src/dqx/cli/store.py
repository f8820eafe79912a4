"""The metric store that a command works on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dqx.common import ConfigurationError, StoreError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager, ExitStack

    from dqx.orm.repositories import MetricDB


def open_store(stack: ExitStack, url: str | None) -> MetricDB | None:
    """Open the store at `url`, which is made with its first use, and close it with `stack`; None without one.

    Raises:
        StoreError: When `url` is no store's URL.
    """
    from dqx.orm.repositories import MetricDB

    return None if url is None else stack.enter_context(closing(MetricDB(url)))


def existing_store(url: str | None) -> AbstractContextManager[MetricDB]:
    """Open a store that is there already, to be closed at the end of the block.

    Raises:
        ConfigurationError: When `url` is None: nobody said which; or names one in memory, which is empty here.
        StoreError: When it is a file that does not exist. A misspelt name must not make an empty store.
    """
    from dqx.orm.address import parse
    from dqx.orm.repositories import MetricDB

    if url is None:
        raise ConfigurationError(
            "name the store with --db URL, DQX_DB or db in dqx.toml, such as --db sqlite:///quality.db",
            "--db",
        )
    address = parse(url, Path.cwd())
    if address.path is not None and not address.path.exists():
        raise StoreError(
            f"there is no store {address.shown}; `dqx run --db` and `dqx db register` make one", address.shown
        )
    store = MetricDB(url)
    if not store.persistent:
        raise ConfigurationError(
            f"the store {url} is in memory, and gone with the run that filled it; name a file, such as "
            "sqlite:///quality.db",
            url,
        )
    return closing(store)
