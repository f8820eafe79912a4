"""A checks file: which suites it has, and what is said when it has none or does not import."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.cli.command_line import write

from dqx.cli.checks_file import load_suites
from dqx.common import ConfigurationError
from dqx.orm import MetricDB

if TYPE_CHECKING:
    from pathlib import Path

ONE = """
    from dqx import check

    @check(name="{name}", datasets=["orders"])
    def first(mp, ctx):
        ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()
"""
SUITES = """
    from datetime import timedelta
    from dqx import MetricDB, VerificationSuite, check

    @check(name="rows")
    def rows(mp, ctx):
        ctx.assert_that(mp.num_rows()).where(name="rows").is_positive()

    orders = VerificationSuite([rows], MetricDB(), "orders", every=timedelta(hours=1))
    again = orders
    shops = VerificationSuite([rows], MetricDB(), "shops")
"""


def refusal(path: Path, **options: str) -> str:
    """Return why a checks file is refused; the file, or what was asked of it, is the culprit."""
    with pytest.raises(ConfigurationError) as caught:
        load_suites(path, None, **options)
    assert caught.value.culprit is not None
    return str(caught.value)


def test_check_functions_form_one_suite_named_like_the_file(folder: Path) -> None:
    """In memory, expected once a day."""
    (suite,) = load_suites(write(folder / "nightly.py", ONE, name="a"), None)
    assert suite.name == "nightly"
    assert suite.info.every_s == 86_400
    assert not suite.db.persistent


def test_flags_name_the_suite_of_check_functions_and_say_how_often_it_runs(folder: Path) -> None:
    """What a flag says counts before what the settings say."""
    path = write(folder / "nightly.py", ONE, name="a")
    with closing(MetricDB()) as store:
        (suite,) = load_suites(
            path, store, suite="orders", every=timedelta(hours=2), every_default=timedelta(hours=9)
        )
        assert (suite.name, suite.info.every_s, suite.db) == ("orders", 7_200, store)
        (suite,) = load_suites(path, store, every_default=timedelta(hours=9))
        assert suite.info.every_s == 32_400


def test_every_suite_at_the_top_level_is_one_of_the_file(folder: Path) -> None:
    """In their order, and once each, under however many names."""
    path = write(folder / "checks.py", SUITES)
    assert [suite.name for suite in load_suites(path, None)] == ["orders", "shops"]
    assert [suite.name for suite in load_suites(path, None, suite="shops")] == ["shops"]


def test_a_store_replaces_that_of_each_suite(folder: Path) -> None:
    """`--db` decides; without it a suite keeps its own."""
    path = write(folder / "checks.py", SUITES)
    with closing(MetricDB()) as store:
        assert {suite.db for suite in load_suites(path, store)} == {store}
    own = {suite.db for suite in load_suites(path, None)}
    assert len(own) == 2


def test_a_checks_file_imports_its_neighbours(folder: Path) -> None:
    """As a script does, wherever `dqx` is started."""
    (folder / "jobs").mkdir()
    write(folder / "jobs" / "shared_by_checks.py", ONE, name="shared")
    path = write(folder / "jobs" / "checks.py", "from shared_by_checks import first\n")
    (suite,) = load_suites(path, None)
    assert suite.name == "checks"


def test_a_checks_file_takes_no_module_s_place(folder: Path) -> None:
    """One that is named `json.py` leaves the library `json` where it is."""
    load_suites(write(folder / "json.py", ONE, name="a"), None)
    import json as imported

    assert imported is json
    assert imported.loads("1") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "has nothing to run: neither a VerificationSuite nor a function decorated with @check"),
        ("", "has nothing to run"),
        ("import no_such_module_of_mine\n", "line 1: import no_such_module_of_mine"),
        ("x = 1\ny = int('many')\n", "ValueError: invalid literal for int() with base 10: 'many'"),
        ("x = 1\ny = int('many')\n", "line 2: y = int('many')"),
        ("def broken(:\n    pass\n", "line 1\n    def broken(:"),
        ("import sys\nsys.exit('bye')\n", "SystemExit: bye"),
        ("x = '\n", "SyntaxError"),
        ("from dqx import check\n\n@check(name='')\ndef a(mp, ctx): ...\n", "line 3: @check(name='')"),
        (
            "from dqx import MetricDB, VerificationSuite\nsuite = VerificationSuite([], MetricDB(), 'a')\n",
            "suite 'a' has no checks; it needs one at least",
        ),
        (
            "from dqx import MetricDB\ndb = MetricDB('mysql://u@h/d')\n",
            "line 2: db = MetricDB('mysql://u@h/d')",
        ),
    ],
)
def test_a_file_that_does_not_import_shows_the_user_s_line_and_none_of_ours(
    folder: Path, text: str, said: str
) -> None:
    """What went wrong, and where in the user's own files."""
    message = refusal(write(folder / "checks.py", text))
    assert message.startswith(str(folder / "checks.py"))
    assert said in message
    assert "dqx/cli" not in message
    assert "importlib" not in message
    assert "api.py" not in message


def test_a_neighbour_that_does_not_import_is_shown_with_who_imports_it(folder: Path) -> None:
    """The whole way through the user's files."""
    write(folder / "broken_neighbour.py", "limit = int('many')\n")
    message = refusal(write(folder / "checks.py", "from broken_neighbour import limit\n"))
    assert "checks.py, line 1: from broken_neighbour import limit" in message
    assert "broken_neighbour.py, line 1: limit = int('many')" in message


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    """Nor is a folder a checks file."""
    assert "missing.py does not exist" in refusal(folder / "missing.py")
    assert "is a directory" in refusal(folder)


def test_a_suite_that_is_not_in_the_file_is_refused_with_the_nearest_name(folder: Path) -> None:
    """And `--every` where the suites say it themselves, and two suites of one name."""
    path = write(folder / "checks.py", SUITES)
    assert "has no suite 'shop'; did you mean 'shops'?" in refusal(path, suite="shop")
    with pytest.raises(ConfigurationError, match="--every is for a file without suites of its own"):
        load_suites(path, None, every=timedelta(days=1))
    twice = write(folder / "twice.py", SUITES + "    more = VerificationSuite([rows], MetricDB(), 'shops')\n")
    assert "has two suites named 'shops'; rename one" in refusal(twice)
