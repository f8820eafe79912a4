"""What every message and URL passes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqx.telemetry.redaction import cut, error_type, is_secret_name, redact, redact_exception, secrets_in

SECRET = "hunter2"

LEAKS = [
    "postgresql://u:hunter2@h/db",
    "postgresql+psycopg://u:hunter2@[::1]:5432/db?x=1",
    "could not open 'postgresql://u:hunter2@h/db', giving up",
    "postgresql://u:ab@hunter2@h/db",
    "postgresql://u:hunter2/ab?cd#ef@h/db",
    "postgresql://u:ab/hunter2@h/db",
    "postgresql://u:ab hunter2 cd@h/db",
    "postgresql://u:ab'hunter2@h/db",
    'postgresql://u:ab"hunter2@h/db',
    "postgresql://u:%68hunter2@h/db",
    "POSTGRESQL://U:hunter2@H/DB",
    "redis://:hunter2@h:6379/0",
    "https://hunter2@github.com/x",
    "postgresql://user@host/x:hunter2@h",
    "s3://key:hunter2@bucket/x",
    "http://a:hunter2@h1,http://c:hunter2@h2 and http://e:hunter2@h3/x",
    "https://h/p?token=hunter2&y=1",
    "https://h/p?y=1&api_key=hunter2#f",
    "https://h/p?X-Amz-Signature=hunter2",
    "https://x.blob.example/?sv=1&sig=hunter2",
    "jdbc:postgresql://h/db?user=x&password=hunter2",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2",
    "host=h password=hunter2 dbname=d",
    "host=h password='hunter2 and more' dbname=d",
    "Driver={x};PWD={ab;hunter2};Server=y",
    "{'password': 'hunter2', 'host': 'h'}",
    '{"apiKey":"hunter2","n":1}',
    "{'password': 'ab\\'hunter2'}",
    "AWS_SECRET_ACCESS_KEY=hunter2",
    "Authorization: Basic hunter2",
    "Authorization: Bearer hunter2",
    "sent Bearer hunter2.abcdef",
    "['curl', '--password', 'hunter2']",
    "dump --db-token hunter2 --verbose",
    "Cookie: session=hunter2",
    "PassWord = hunter2",
    "client_secret=>hunter2",
    "smtp_pass=hunter2",
    "pass = hunter2",
    "{'pass': 'hunter2'}",
    '{"auth" : "hunter2"}',
]

HARMLESS = [
    "",
    "Flights are complete",
    "null_count(dep_time) / num_rows() < 0.05",
    "sqlite:////tmp/quality.db",
    "sqlite:///quality.db",
    "postgresql://h:5432/db",
    "write sqlite:///quality.db or postgresql://user@host/database",
    "connection to http://localhost:4318 refused, ask a@b.example",
    "https://medium.example/@user/post",
    "http://[::1]:4318/v1/traces",
    "passed: 3, bypass=4, author=me, path=x",
    "password authentication failed for user bob",
    "primary key: (1)",
    "the suite did not pass: failed",
    "basic auth: refused",
    "größer 😀 'quoted' \"twice\"",
    "one\ntwo\tthree",
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_secret_is_left(text: str) -> None:
    """Whatever a text looks like in which a secret commonly stands, the secret is taken out."""
    assert SECRET not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    """Names, expressions, addresses without a password and plain prose are not touched."""
    assert redact(text) == text


def test_what_is_not_secret_in_a_url_is_kept() -> None:
    """Host, port, path and harmless parameters still say where something went wrong."""
    assert redact("postgresql://u:p@h:5432/db?sslmode=off") == "postgresql://***@h:5432/db?sslmode=off"


_NAMES = st.text("abcdefgh", min_size=1, max_size=8)


@given(
    scheme=st.sampled_from(["postgresql", "mysql+pymysql", "https", "s3"]),
    user=_NAMES,
    password=st.text("xyz01@:/?#&=%'\"`,;<>(){}$!*+~-", min_size=1, max_size=20),
    host=_NAMES,
)
def test_any_password_of_a_url_is_taken_out(scheme: str, user: str, password: str, host: str) -> None:
    """A password may hold whatever a URL gives a meaning to, and is taken out whole, with the user's name."""
    assert redact(f"{scheme}://{user}:{password}@{host}/db") == f"{scheme}://***@{host}/db"


@given(st.text(max_size=600), st.integers(1, 300))
def test_no_text_comes_out_longer_than_its_limit(text: str, limit: int) -> None:
    """Whatever goes in, what comes out has at most `limit` characters and none that controls a terminal."""
    redacted = redact(text, limit)
    assert len(redacted) <= limit
    assert not any(ord(character) < 32 and character not in "\t\n" for character in redacted)
    redacted.encode()  # no lone surrogate: an exporter could not send it


def test_a_long_name_is_cut_and_says_so() -> None:
    """A name of 10 kB keeps its beginning; the last character tells that there was more."""
    assert redact("x" * 10_000) == "x" * 255 + "…"
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "ab…"


def test_a_url_that_is_cut_leaks_nothing() -> None:
    """Where a text ends before the `@` of a URL, what looked like host and port was the password."""
    for length in range(8_150, 8_200):
        text = "-" * length + " postgresql://u:hunter2@h/db"
        assert SECRET not in redact(text, 20_000)


@pytest.mark.parametrize(
    "text",
    ["a" * 10**6, "http://" + "a:" * 10**5, "password" * 10**5, "token=" * 10**5, "password='" + "\\'" * 10**5,
     "http://u:x " * 10**5, "auth" * 10**5, "--" * 10**5, "bearer " * 10**5, "{" * 10**5, "://" * 10**5],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    """A megabyte made to be slow is done in well under a second: patterns are linear, and reading is bounded."""
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 5  # two hundred times what it takes


class _UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class _ExitsError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("boom"), "boom"),
        (ValueError(), "ValueError"),
        (KeyError("x"), "'x'"),
        (ValueError("one\ntwo"), "one two"),
        (ValueError("\x1b[31mred"), " [31mred"),
        (ValueError("password=hunter2"), "password=***"),
        (_UnprintableError(), "<_UnprintableError that cannot be printed>"),
        (_ExitsError(), "<_ExitsError that cannot be printed>"),
    ],
)
def test_an_exception_becomes_one_line(error: BaseException, message: str) -> None:
    """Its message without secrets, line breaks and control characters; without a message, its class."""
    assert redact_exception(error) == message


def test_the_type_of_an_exception_has_its_module_unless_it_is_built_in() -> None:
    """As the conventions want `error.type`: few values, and each tells where it is from."""
    assert error_type(ValueError()) == "ValueError"
    assert error_type(_UnprintableError()) == f"{__name__}._UnprintableError"


@dataclass
class _Secret:
    value: str

    def get_secret_value(self) -> str:
        return self.value


def test_secrets_of_a_configuration_are_found_wherever_they_are() -> None:
    """By the name of a key, however deep; in the password of a URL; in pydantic's SecretStr."""
    config = {
        "host": "mail.example",
        "smtp_password": "alpha",
        "tokens": ["beta1", "beta"],
        "auth": {"user": "gamma"},
        "url": "https://bot:delta@hooks.example/x",
        "key": _Secret("epsilon"),
        "pass": "abc",
        "pin_token": 123456,
        "use_token": True,
        "signing_secret": b"zeta1",
        "private_key": "BEGIN\nEND",
        "port": 25,
        "none": None,
    }
    assert secrets_in(config) == {
        "alpha", "beta1", "beta", "gamma", "delta", "epsilon", "123456", "zeta1", "BEGIN\nEND", "BEGIN\\nEND",
    }  # fmt: skip


def test_a_known_secret_is_taken_out_of_any_text() -> None:
    """Where no structure gives a secret away, knowing it does; the longest first, or a part would be left."""
    assert (
        redact("login as bot with alphabet failed", secrets=["alpha", "alphabet"])
        == "login as bot with *** failed"
    )


@pytest.mark.parametrize(
    "name", ["password", "SMTP_PASSWORD", "apiKey", "api-key", "auth", "x_pass", "db.token"]
)
def test_names_of_secrets(name: str) -> None:
    """A setting that is named like a secret is taken for one."""
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["host", "author", "passed", "path", "signal", "compass", "timeout"])
def test_names_of_other_settings(name: str) -> None:
    """A name that merely resembles one is not."""
    assert not is_secret_name(name)
