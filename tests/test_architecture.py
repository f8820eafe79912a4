"""Arrows run one way, what is heavy is imported when it is first needed, and every public name is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dqx

SOURCE = Path(dqx.__file__).parent
HEAVY = ["duckdb", "sqlalchemy", "pydantic", "rich", "click", "opentelemetry.sdk", "prometheus_client"]
HEAVY += ["pandas", "numpy", "pyarrow", "polars", "psycopg"]


def imports(path: Path) -> set[str]:
    """Return the modules of dqx that a module imports when it runs, inside of functions too; not for types alone."""
    package = ["dqx", *path.relative_to(SOURCE).parts[:-1]]
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*parent, *([node.module] if node.module else [])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
        pending += ast.iter_child_nodes(node)
    return {name for name in found if name.split(".")[0] == "dqx"}


def modules(*parts: str) -> list[Path]:
    """Return the modules of a package of dqx, or one module."""
    path = SOURCE.joinpath(*parts)
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


_ABOVE = "common engine api provider arguments plugins orm cli exporter telemetry publish"
FORBIDDEN = {
    "value": _ABOVE,
    "frozen_dict": _ABOVE,
    "wording": _ABOVE,
    "common": "engine api provider plugins orm cli exporter telemetry",
    "engine": "api provider plugins orm cli exporter publish",
    "provider": "api plugins orm cli exporter publish",
    "orm": "engine api provider plugins cli exporter publish",
    "plugins": "engine api provider cli publish",
    "telemetry": "engine api provider plugins cli exporter publish",
    "alerting": "engine api provider plugins orm cli exporter publish",
    "publish": "engine api cli exporter",
    "api": "cli exporter",
}


@pytest.mark.parametrize("part", FORBIDDEN)
def test_arrows_run_one_way(part: str) -> None:
    """As common <- engine <- api, and common <- plugins: the engine knows no plugin, a plugin knows no engine."""
    banned = {f"dqx.{name}" for name in FORBIDDEN[part].split()}
    wrong = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in modules(part)
        for name in imports(path)
        if ".".join(name.split(".")[:2]) in banned
    ]
    assert wrong == []


def test_the_test_of_arrows_sees_imports() -> None:
    """Of every form, in functions too; and none that are for types alone."""
    assert "dqx.engine.scan" in imports(SOURCE / "provider.py")
    assert "dqx.engine.plan" in imports(SOURCE / "api.py")
    assert not any(name.startswith("dqx.engine") for name in imports(SOURCE / "common.py"))
    assert "dqx.engine.metrics" in (SOURCE / "common.py").read_text()


def loaded(program: str) -> set[str]:
    """Return the modules that a program has loaded when it ends, in an interpreter of its own."""
    answer = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules, sep='\\n')"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        ("import dqx", [*HEAVY, "opentelemetry"]),
        ("import dqx.common", [*HEAVY, "opentelemetry"]),
        ("import dqx.provider; dqx.provider.DataSource.from_parquet('x')", HEAVY),
        ("from dqx import check, VerificationSuite, MetricDB, ResultKey", HEAVY),
        ("import dqx.api", HEAVY),
        ("import dqx; dqx.MetricDB('sqlite:///no.db')", HEAVY),
    ],
)
def test_what_is_heavy_is_imported_when_it_is_first_needed(program: str, absent: list[str]) -> None:
    """A checks file that is imported, and a program that never runs a suite, pay for none of it."""
    found = loaded(program)
    assert "dqx" in found
    assert [name for name in absent if name in found] == []


def test_every_public_name_is_there() -> None:
    """What `dqx` promises can be imported, is listed, and what it does not have is said to be absent."""
    for name in dqx.__all__:
        assert getattr(dqx, name).__name__ == name
    assert set(dqx.__all__) <= set(dir(dqx))
    with pytest.raises(AttributeError, match="module 'dqx' has no attribute 'nope'"):
        dqx.nope  # noqa: B018
    assert dqx.__version__


def test_no_module_is_a_drawer_for_anything() -> None:
    """One file, one noun."""
    names = {path.stem for path in modules()}
    assert not names & {"utils", "helpers", "base", "misc", "util", "helper"}
