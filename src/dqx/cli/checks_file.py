"""A checks file: a Python module, and the suites in it."""

from __future__ import annotations

import sys
import traceback
from datetime import timedelta
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dqx.common import ConfigurationError
from dqx.wording import did_you_mean

if TYPE_CHECKING:
    from types import ModuleType

    from dqx.api import VerificationSuite
    from dqx.orm.repositories import MetricDB

_OURS = str(Path(__file__).parent.parent)
_FRAMES_MAX = 10
_T = TypeVar("_T")


def load_suites(
    path: Path,
    store: MetricDB | None,
    *,
    suite: str | None = None,
    every: timedelta | None = None,
    every_default: timedelta | None = None,
) -> list[VerificationSuite]:
    """Import a checks file and return its suites.

    Each `VerificationSuite` at its top level is one. Without any, its `@check` functions form one, on `store`
    (None: in memory), named `suite` or like the file.

    Args:
        path: The file.
        store: Where the suites keep what they found, instead of where they say themselves.
        suite: The name of the one suite that is wanted.
        every: How often a suite made of `@check` functions should run, when that was asked for.
        every_default: How often otherwise; a day unless given.

    Raises:
        ConfigurationError: When the file cannot be imported, has nothing to run, has two suites of one name or
            none of the name wanted, or its suites say themselves how often they run.
    """
    from dqx.api import DecoratedCheck, VerificationSuite

    module = _import(path)
    suites = _of_type(module, VerificationSuite)
    if not suites:
        checks = _of_type(module, DecoratedCheck)
        if not checks:
            raise ConfigurationError(
                f"{path} has nothing to run: neither a VerificationSuite nor a function decorated with "
                "@check(name=...) at its top level",
                str(path),
            )
        from dqx.orm.repositories import MetricDB

        interval = every or every_default or timedelta(days=1)
        return [VerificationSuite(checks, store or MetricDB(), suite or path.stem, every=interval)]
    if every is not None:
        raise ConfigurationError(
            f"--every is for a file without suites of its own; {path} says every= in its VerificationSuite",
            "--every",
        )
    named: dict[str, VerificationSuite] = {}
    for found in suites:
        if found.name in named:
            raise ConfigurationError(f"{path} has two suites named '{found.name}'; rename one", found.name)
        named[found.name] = found
    if suite is not None and suite not in named:
        raise ConfigurationError(f"{path} has no suite '{suite}'{did_you_mean(suite, named)}", suite)
    wanted = list(named.values()) if suite is None else [named[suite]]
    for found in wanted:
        found.override(db=store)
    return wanted


def _of_type(module: ModuleType, kind: type[_T]) -> list[_T]:
    """Return the distinct objects of a type that a module names, in the order in which it names them."""
    found = (value for value in vars(module).values() if isinstance(value, kind))
    return list({id(value): value for value in found}.values())


def _import(path: Path) -> ModuleType:
    if not path.is_file():
        what = "is a directory; name a file in it" if path.is_dir() else "does not exist"
        raise ConfigurationError(f"the checks file {path} {what}", str(path))
    # The prefix keeps a file named like a module, such as json.py, from taking its place.
    name = f"dqx_checks_{path.stem}"
    spec = spec_from_loader(name, SourceFileLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as Python does for a script, so that it can import its neighbours
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"{path} does not import:{_cause(error)}", str(path)) from error
    return module


def _cause(error: BaseException) -> str:
    """Return what went wrong, and the lines of the user's own files that led there."""
    said = "".join(traceback.format_exception_only(error)).rstrip()
    if isinstance(error, SyntaxError):
        return f"\n{said}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    lines = [f"  {frame.filename}, line {frame.lineno}: {frame.line or ''}".rstrip() for frame in frames]
    return "\n".join([f" {said}", *lines[:_FRAMES_MAX]])


def _is_theirs(filename: str) -> bool:
    return not filename.startswith(("<frozen importlib", _OURS))
