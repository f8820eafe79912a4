"""A user's SQL is one expression over the dataset's own columns, and can reach nothing else."""

from __future__ import annotations

import re
import time
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest
from tests.engine.scanning import found, mp, reason, scan, values

from dqx.engine import sources
from dqx.provider import DataSource

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    {"a": n, "b": n / 2, "t": f"it's {n}", "d": date(2024, 1, n), "flag": n % 2 == 0} for n in range(1, 6)
] + [dict.fromkeys(("a", "b", "t", "d", "flag"))]
SOURCE = DataSource.from_records(ROWS)

# What is wrong whatever it is meant for. {file} is a file with a secret in it.
ATTEMPTS = [
    # more than one expression, or something around it
    "",
    "  ",
    "\n",
    "-- a comment",
    "/* a comment",
    "/* a */",
    "a > 0) FROM t; DROP TABLE t; --",
    "a > 0) FROM records; DROP TABLE records; SELECT (1",
    "a > 0); DROP TABLE records; --",
    "a > 0; DROP TABLE records",
    "a > 0; SELECT 2",
    "a > 0;; SELECT 2",
    "a > 0, a",
    "a > 0 AS x",
    "a > 0 x",
    "a > 0 FROM records",
    "a > 0 FROM read_csv('{file}')",
    "a > 0 FROM '{file}'",
    "a > 0 WHERE a > 1",
    "a > 0 GROUP BY a",
    "a > 0 GROUP BY ALL",
    "a > 0 HAVING true",
    "a > 0 QUALIFY true",
    "a > 0 ORDER BY 1",
    "a > 0 LIMIT 1",
    "a > 0 OFFSET 1",
    "a > 0 USING SAMPLE 1",
    "a > 0 UNION SELECT 1",
    "a > 0 INTERSECT SELECT 1",
    "a > 0 INTO OUTFILE '{file}'",
    "DISTINCT a",
    "DISTINCT ON (a) a",
    "SELECT 1",
    "SELECT a FROM records",
    "WITH x AS (SELECT 1) SELECT 1",
    # not SQL
    "(",
    ")",
    "a >",
    "a > > 0",
    "a > 0)",
    "(a > 0",
    "'",
    '"',
    "''' ",
    "$$",
    "a > '",
    "\\",
    "a > 0\x00",
    "a = '\x02'",
    "a = '\x03'",
    "a = '\x04'",
    "a = '\ud800'",
    "😀",
    "a := 1",
    "a = = 1",
    # statements
    "COPY records TO '{file}'",
    "ATTACH '{file}' AS x",
    "DETACH memory",
    "CREATE TABLE x AS SELECT 1",
    "INSERT INTO records VALUES (1)",
    "UPDATE records SET a = 1",
    "DELETE FROM records",
    "DROP TABLE records",
    "ALTER TABLE records DROP a",
    "SET threads = 1",
    "RESET threads",
    "PRAGMA version",
    "CALL pragma_version()",
    "INSTALL httpfs",
    "LOAD httpfs",
    "EXPORT DATABASE '{file}'",
    "IMPORT DATABASE '{file}'",
    "CHECKPOINT",
    "VACUUM",
    "EXPLAIN SELECT 1",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "BEGIN TRANSACTION",
    "USE memory",
    "PIVOT records ON a",
    "DESCRIBE records",
    "SUMMARIZE records",
    # queries inside
    "(SELECT 1)",
    "(SELECT a FROM records LIMIT 1)",
    "(SELECT content FROM read_text('{file}'))",
    "(SELECT count(*) FROM read_csv('{file}'))",
    "(SELECT count(*) FROM '{file}')",
    "(FROM records)",
    "(TABLE records)",
    "(VALUES (1))",
    "(SHOW TABLES)",
    "(DESCRIBE records)",
    "(WITH x AS (SELECT 1) SELECT * FROM x)",
    "EXISTS (SELECT 1)",
    "NOT EXISTS (FROM records)",
    "a IN (SELECT 1)",
    "a IN (FROM '{file}')",
    "a = ANY (SELECT 1)",
    "a = ALL (SELECT 1)",
    "ARRAY (SELECT 1)",
    "[(SELECT 1)]",
    "{{'x': (SELECT 1)}}",
    "CASE WHEN (SELECT true) THEN 1 END",
    "coalesce(a, (SELECT 1))",
    "list_transform([1], lambda x: (SELECT x))",
    "count(*) FILTER (WHERE (SELECT true))",
    "sum(a ORDER BY (SELECT 1))",
    "(SELECT 1) + sum(a)",
    # windows, stars, parameters
    "row_number() OVER ()",
    "sum(a) OVER ()",
    "sum(a) OVER (PARTITION BY flag) > 0",
    "lag(a) OVER () > 0",
    "sum(a) OVER w",
    "*",
    "* EXCLUDE (a)",
    "records.*",
    "COLUMNS(*)",
    "COLUMNS('a')",
    "sum(COLUMNS(*))",
    "*COLUMNS(*)",
    "?",
    "a > ?",
    "$1",
    "a > $1",
    "$name",
    "sum(a) + ?",
    # functions that make many rows, or change or look at what is not in the data
    "unnest([1, 2])",
    "UNNEST([1, 2])",
    '"unnest"([1])',
    "main.unnest([1])",
    "unlist([1, 2])",
    "generate_subscripts([1, 2], 1)",
    "regexp_split_to_table('a b', ' ')",
    "sum(unnest([a]))",
    "nextval('s')",
    "currval('s')",
    "setval('s', 1)",
    "write_log('x')",
    "setseed(0.5)",
    "current_setting('threads')",
    "getvariable('x')",
    "read_text('{file}')",
    "read_csv('{file}')",
    "length(read_blob('{file}'))",
    "glob('/*')",
    "query('SELECT 1')",
    "query_table('records')",
    "sniff_csv('{file}')",
    "pragma_version()",
    "duckdb_settings()",
    "duckdb_secrets()",
    "json_execute_serialized_sql('x')",
    "getenv('HOME')",
    "load_extension('x')",
    "http_get('http://127.0.0.1')",
    "st_area(a)",
    "nowhere(a)",
]


def attempts(file: str) -> list[str]:
    """Return the attempts on a file, with the same inside of harmless expressions."""
    return [attempt.replace("{file}", file).replace("{{", "{").replace("}}", "}") for attempt in ATTEMPTS]


def test_no_attempt_gives_a_value_and_none_costs_a_read(tmp_path: Path) -> None:
    """As custom_sql and as where of any metric; what is right beside them is computed, in the one read."""
    file = tmp_path / "secret.csv"
    file.write_text("n\n4711\n")
    tried = attempts(str(file))
    metrics = [mp.num_rows(), mp.sum("a", where="a > 1")]
    metrics += [mp.custom_sql(attempt) for attempt in tried]
    metrics += [mp.num_rows(where=attempt) for attempt in tried]
    metrics += [mp.custom_sql("count(*)", where=attempt) for attempt in tried]
    metrics += [mp.custom_sql(attempt, where="a > 0") for attempt in tried]
    report = scan(SOURCE, *metrics)

    got_through = [str(m) for m in metrics[2:] if report.values[m.spec].error is None]
    assert got_through == []
    assert [report.values[m.spec].unwrap() for m in metrics[:2]] == [6, 14]
    assert report.run.reads == 1
    assert not [m for m in metrics if "4711" in str(report.values[m.spec].error)]
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]
    assert file.read_text() == "n\n4711\n"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "(SELECT 1)",
            r"custom_sql='\(SELECT 1\)' holds a subquery; write one aggregate, such as sum\(a\) / sum\(b\)",
        ),
        ("sum(a) OVER ()", "holds a window function"),
        ("COLUMNS(*)", "holds `[*]`"),
        ("sum(unnest([a]))", "holds unnest"),
        ("sum(a); DROP TABLE t", "is not one aggregate"),
        ("sum(a), sum(b)", "is more than one expression; write one aggregate"),
        ("sum(a", "is not one aggregate, such as .*: .*syntax error"),
        ("", "custom_sql='' is not SQL; write one aggregate"),
        ("sum(aa)", r"custom_sql\(sum\(aa\)\): Binder Error: .*aa.*a"),
        ("summ(a)", r"Catalog Error: .*summ.*Did you mean \"sum\""),
        ("a", "must appear in the GROUP BY clause"),
        ("t || 'x'", "must appear in the GROUP BY clause"),
        ("string_agg(t, ',')", "gave VARCHAR, where a number or a moment was needed"),
        ("list(a)", r"gave \w+\[\], where a number or a moment was needed"),
        ("max(a) FILTER (a > 99)", "has no value: no rows, or NULL in all of them"),
        ("sum(b) / 0", "finite|no value"),
    ],
)
def test_a_refusal_says_what_was_found_and_what_to_write(sql: str, message: str) -> None:
    """In the words of the parser or the binder, with a suggestion."""
    assert re.search(message, reason(SOURCE, mp.custom_sql(sql)), re.DOTALL)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("a > 0) from t; drop table t; --", "is not one SQL condition, such as price > 0"),
        ("a > 0; drop table t", "is not one SQL condition, such as price > 0: it holds another statement"),
        ("aa > 0", 'Binder Error: .*"aa" not found.*Candidate bindings: .*a'),
        ("sum(a) > 0", "aggregate function calls cannot be nested|cannot contain aggregates"),
        ("t", "Could not convert string|to BOOL"),
        ("a > 'x'", "Could not convert string 'x'"),
    ],
)
def test_a_condition_that_is_none_is_an_error_of_its_metrics_alone(where: str, message: str) -> None:
    """The others of the scan keep their values."""
    good, bad = found(SOURCE, mp.num_rows(), mp.num_rows(where=where))
    assert good.unwrap() == 6
    assert re.search(message, str(bad.error), re.DOTALL), bad.error


AGGREGATES = [
    "sum(a)",
    "SUM(a)",
    '"sum"(a)',
    "main.sum(a)",
    "count(*)",
    "count()",
    "count(DISTINCT flag)",
    "sum(a) FILTER (WHERE b > 1)",
    "sum(a) FILTER (b > 1) + count(*) FILTER (flag)",
    "sum(a * b) / sum(b)",
    "sum(a) / nullif(sum(b), 0)",
    "sum(CASE WHEN flag THEN a ELSE -a END)",
    "max(d)",
    "min(CAST(d AS TIMESTAMP))",
    "max(d) - min(d)",
    "date_diff('hour', min(d), max(d))",
    "quantile_cont(a, 0.5)",
    "percentile_cont(0.5) WITHIN GROUP (ORDER BY a)",
    "arg_max(a, b)",
    "max(a ORDER BY b)",
    "any_value(a ORDER BY a DESC)",
    "bool_and(a > 0)",
    "count(*) > 3",
    "sum(a) IS NULL",
    "sum(a) BETWEEN 1 AND 20",
    "len(string_agg(t, ','))",
    "list(a ORDER BY a)[1]",
    "list_sum(list(a))",
    "struct_pack(x := sum(a)).x",
    "(sum(a))",
    "-sum(a)",
    "sum(a) -- the total",
    "sum(a) /* the total */",
    "\n  sum(a)\n",
    "sum(a);",
    "CAST(sum(a) AS DECIMAL(38, 10)) / 3",
    "sum(a)::HUGEINT * 10000000000000000000",
    "sum(CAST(a AS DECIMAL(20, 2)) * 0.1)",
    "sum(b)::FLOAT",
    "count(*) FILTER (t LIKE 'it''s %')",
    "count(*) FILTER (t ILIKE 'IT_S _' ESCAPE '$')",
    "count(*) FILTER (t SIMILAR TO '.*[12]')",
    "count(*) FILTER (regexp_matches(t, '[12]$'))",
    "count(*) FILTER (a IN (1, 2, NULL))",
    "count(*) FILTER (a NOT IN (1, 2))",
    "count(*) FILTER (flag IS NOT TRUE)",
    "count(*) FILTER (flag IS DISTINCT FROM true)",
    "count(*) FILTER (d > DATE '2024-01-02' + INTERVAL 1 DAY)",
    "count(*) FILTER (extract(day FROM d) = 3)",
    "count(*) FILTER (t COLLATE NOCASE = 'IT''S 1')",
    "sum(a ** 2) + sum(a % 2) + sum(a // 2) + sum(a & 1)",
    "max(1e300) * 1e7",
    "max(0.1)",
    "max(123456789012345678901234567890)",
    "kurtosis(a)",
    "1",
]
CONDITIONS = [
    "a > 2",
    "a > 2 OR flag",
    "NOT flag",
    "flag",
    "a IS NULL",
    "t = 'it''s 3' OR t LIKE '%5'",
    "a > 1 -- not the first",
    "a BETWEEN 2 AND 4",
    "d >= '2024-01-03'",
    "CASE WHEN flag THEN a > 3 ELSE a < 3 END",
    "true",
    "NULL",
    "coalesce(flag, true)",
    "list_contains([2, 4], a)",
    "a = 3 AND t COLLATE NOCASE = 'IT''S 3'",
]


def plain_table() -> duckdb.DuckDBPyConnection:
    """Return a connection of its own that has the rows as a table."""
    plain = duckdb.connect()
    plain.execute("CREATE TABLE records (a BIGINT, b DOUBLE, t VARCHAR, d DATE, flag BOOLEAN)")
    plain.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", [list(row.values()) for row in ROWS])
    return plain


def test_an_expression_means_what_it_says() -> None:
    """What the parser wrote anew gives the same number as the text that was given, over all rows and over some."""
    plain = plain_table()
    metrics = [mp.custom_sql(sql) for sql in AGGREGATES]
    metrics += [mp.custom_sql(sql, where=where) for sql in AGGREGATES for where in CONDITIONS[:3]]
    report = scan(SOURCE, *metrics)
    assert report.run.reads == 1
    for metric in metrics:
        given = str(metric.spec.sql).strip().rstrip(";")
        kept = f" WHERE {metric.spec.where}\n" if metric.spec.where else ""
        ((wanted, _),) = plain.execute(f"SELECT {given}\n, count(*) FROM records{kept}").fetchall()
        result = report.values[metric.spec]
        if wanted is None:
            assert "has no value" in str(result.error), metric
        else:
            assert result.error is None, f"{metric}: {result.error}"
            assert result.value == (pytest.approx(wanted) if isinstance(wanted, float) else wanted), metric
    plain.close()


def test_a_condition_means_what_it_says() -> None:
    """For metrics of every shape, beside a list of values, too."""
    plain = plain_table()
    for where in CONDITIONS:
        query = f"SELECT count(*), count(*) FILTER (a IN (2, 3)) FROM records WHERE {where}\n"
        ((n, some),) = plain.execute(query).fetchall()
        assert values(SOURCE, mp.num_rows(where=where), mp.count_values("a", [2, 3], where=where)) == [
            n,
            some,
        ]
    plain.close()


@pytest.mark.parametrize("macro", ["geomean(a)", "geometric_mean(a)", "wavg(a, b)", "1 + GEOMEAN(b)"])
def test_a_macro_that_aggregates_takes_no_condition(macro: str) -> None:
    """No condition reaches the aggregates inside of it, and a number over all rows would be a wrong one."""
    message = reason(SOURCE, mp.custom_sql(macro, where="a > 2"))
    assert re.search("is a macro around (avg|sum), where no condition reaches; write out", message)
    assert found(SOURCE, mp.custom_sql(macro))[0].is_success()


def test_a_value_of_the_users_sql_is_exact_whatever_its_type() -> None:
    """Integers of 128 bits, decimals of 38 digits, dates, timestamps with and without a zone."""
    exact = {
        "max(170141183460469231731687303715884105727)": 2**127 - 1,
        "max(CAST('12345678901234567890123456789.123456789' AS DECIMAL(38, 9)))": Decimal(
            "12345678901234567890123456789.123456789"
        ),
        "max(CAST(9007199254740993 AS BIGINT))": 2**53 + 1,
        "max(DATE '2024-02-29')": date(2024, 2, 29),
        "max(TIMESTAMP '2024-02-29 12:00:00.000001')": datetime(2024, 2, 29, 12, 0, 0, 1),
        "max(TIMESTAMPTZ '2024-02-29 12:00:00+05:30')": datetime.fromisoformat("2024-02-29T06:30:00+00:00"),
        "max(0.1::DOUBLE)": 0.1,
        "max(5e-324::DOUBLE)": 5e-324,
        "bool_or(true)": 1,
    }
    got = values(SOURCE, *map(mp.custom_sql, exact))
    assert got == list(exact.values())
    assert [type(value) for value in got] == [type(value) for value in exact.values()]


INFINITE = [
    "max('nan'::DOUBLE)",
    "max('-inf'::DOUBLE)",
    "max('infinity'::DATE)",
    "min('-infinity'::TIMESTAMP)",
    "max('12000-01-01'::DATE)",
]


@pytest.mark.parametrize("sql", INFINITE)
def test_what_is_not_finite_is_no_value(sql: str) -> None:
    """An infinite date would come as the last day of Python's calendar, and pass."""
    assert re.search(
        "where a finite number was needed|outside of the years 1 to 9999", reason(SOURCE, mp.custom_sql(sql))
    )


def test_the_clock_of_a_scan_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine stands, and what its time zone is, changes no condition on a zoned timestamp."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        source = DataSource.from_records([{"z": datetime.fromisoformat("2024-01-01T02:00:00+00:00")}])
        assert values(
            source,
            mp.num_rows(where="CAST(z AS DATE) = DATE '2024-01-01'"),
            mp.num_rows(where="hour(z) = 2"),
            mp.num_rows(where="z >= '2024-01-01 01:00:00'"),
        ) == [1, 1, 1]
    finally:
        monkeypatch.undo()
        time.tzset()


SEALED = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('/etc/hostname')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM sniff_csv('{file}')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.parquet' (FORMAT parquet)",
    "ATTACH '{folder}/out.duckdb' AS out",
    "ATTACH '{file}' AS out",
    "EXPORT DATABASE '{folder}/out'",
    "INSTALL httpfs",
    "LOAD '{folder}/x.duckdb_extension'",
    "SET enable_external_access = true",
    "SET allowed_paths = ['{file}']",
    "SET allowed_directories = ['{folder}']",
    "SET lock_configuration = false",
    "SET threads = 1",
    "SET GLOBAL memory_limit = '1GB'",
    "RESET enable_external_access",
    "PRAGMA enable_external_access",
    "CREATE PERSISTENT SECRET s (TYPE s3)",
]


def test_a_connection_of_ours_reaches_nothing_but_its_source(tmp_path: Path) -> None:
    """Whatever would get past the parser: no other file, no writing, no attaching, no settings, for good."""
    own, secret = tmp_path / "own.parquet", tmp_path / "secret.csv"
    secret.write_text("n\n4711\n")
    duckdb.sql(f"COPY (SELECT 1 AS a) TO '{own}' (FORMAT parquet)")
    database = tmp_path / "own.duckdb"
    with duckdb.connect(str(database)) as made:
        made.execute("CREATE TABLE t AS SELECT 1 AS a")
    before = sorted(path.name for path in tmp_path.iterdir())
    for opened in (
        sources.open_files("read_parquet", [str(own)], {}),
        sources.open_database(str(database), "t", None),
        sources.open_records([{"a": 1}]),
        sources.open_records([]),
    ):
        with opened as reader:
            for statement in SEALED:
                text = statement.replace("{file}", str(secret)).replace("{folder}", str(tmp_path))
                with pytest.raises(duckdb.Error):
                    reader.connection.execute(text).fetchall()
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    with sources.open_database(str(database), "t", None) as reader:
        for writing in (
            "DELETE FROM t",
            "INSERT INTO t VALUES (2)",
            "DROP TABLE t",
            "CREATE TABLE u AS SELECT 1",
        ):
            with pytest.raises(duckdb.Error):
                reader.connection.execute(writing)


def test_a_query_of_a_database_reaches_nothing_else(tmp_path: Path) -> None:
    """A query= cannot read other files, and a view that does is a failed scan."""
    secret, database = tmp_path / "secret.csv", tmp_path / "own.duckdb"
    secret.write_text("n\n4711\n")
    with duckdb.connect(str(database)) as made:
        made.execute("CREATE TABLE t AS SELECT 7 AS a")
        made.execute(f"CREATE VIEW v AS SELECT * FROM read_csv('{secret}')")
    for query in (f"SELECT * FROM read_csv('{secret}')", f"SELECT * FROM '{secret}'", "SELECT * FROM v"):
        with pytest.raises(Exception, match="could not be read: Permission Error"):
            scan(DataSource.from_duckdb(database, query=query), mp.num_rows())
    with pytest.raises(Exception, match="could not be read"):
        scan(DataSource.from_duckdb(database, query="DELETE FROM t"), mp.num_rows())
    assert values(DataSource.from_duckdb(database, query="SELECT a FROM t ; "), mp.sum("a")) == [7]
    assert values(DataSource.from_duckdb(database, query="SELECT a FROM t -- all"), mp.sum("a")) == [7]


NAMES = [
    "order id",
    'say "hi"',
    "it's",
    "select",
    "from",
    "😀",
    "a?b",
    "$1",
    "a\nb",
    "a;b--",
    "a.b",
    "*",
    " ",
    "%",
    "\\",
    "count(*)",
    "CASE",
    "x" * 10_000,
    "ünïcödé",
    "null",
    "1",
    "/* a */",
    ") FROM records; --",
]


def test_columns_of_any_name_are_found(tmp_path: Path) -> None:
    """Quotes, spaces, reserved words, emoji, question marks and 10 kB: a name is a name, in files as in records."""
    row = {name: number for number, name in enumerate(NAMES)}
    file = tmp_path / "odd names.parquet"
    quoted = ", ".join(f'{number} AS "{name.replace(chr(34), chr(34) * 2)}"' for name, number in row.items())
    duckdb.sql(f"COPY (SELECT {quoted}) TO '{file}' (FORMAT parquet)")
    sources_of_them = [
        DataSource.from_records([row]),
        DataSource.from_parquet(file),
        DataSource.from_parquet(file, trust_statistics=False),
    ]
    for source in sources_of_them:
        assert values(source, *map(mp.sum, NAMES)) == list(range(len(NAMES)))
        assert values(source, *(mp.count_values(name, number) for name, number in row.items())) == [1] * len(
            NAMES
        )
        assert values(source, *(mp.duplicate_count([name, "select"]) for name in NAMES)) == [0] * len(NAMES)
        assert values(source, *map(mp.null_count, NAMES)) == [0] * len(NAMES)
        assert values(source, *map(mp.maximum, NAMES)) == list(range(len(NAMES)))
    assert values(DataSource.from_records([row]), mp.custom_sql('sum("a?b")', where='"a?b" = 6')) == [6]


def test_a_name_with_our_own_marks_is_refused_alone() -> None:
    """Three control characters are marks in DQX's queries; the other columns are read as ever."""
    source = DataSource.from_records([{"a": 1, "\x02\x03\x04": 2, "\x01": 3}])
    good, bad, other = found(source, mp.sum("a"), mp.sum("\x02\x03\x04"), mp.sum("\x01"))
    assert (good.value, other.value) == (1, 3)
    assert "cannot be named in a query" in str(bad.error)


def test_many_conditions_are_parsed_together() -> None:
    """However many conditions there are, they are parsed in one statement, each once."""
    conditions = [f"a > {n}" for n in range(300)]
    report = scan(SOURCE, *(mp.num_rows(where=where) for where in conditions), mp.custom_sql("sum(a)"))
    assert report.run.reads == 1
    assert [report.values[mp.num_rows(where=w).spec].value for w in conditions[:6]] == [5, 4, 3, 2, 1, 0]


def test_the_public_form_of_a_query_shows_no_sql_of_the_user_and_no_value() -> None:
    """It is what telemetry sends: names and our own words stay."""
    metrics = [
        mp.count_values("t", "secret-value"),
        mp.num_rows(where="t = 'secret-condition'"),
        mp.custom_sql("max(CASE WHEN t = 'secret-expression' THEN 1 ELSE 0 END)"),
        mp.pattern_count("t", "secret-pattern"),
        mp.sum("a"),
    ]
    report = scan(SOURCE, *metrics)
    assert all(result.is_success() for result in report.values.values())
    assert "secret" not in report.query_text
    assert {"<user sql>", "sum(", "?", '"a"'} <= set(
        re.findall(r'<user sql>|sum\(|\?|"a"', report.query_text)
    )
    assert not set("\x02\x03\x04") & set(report.query_text)
