"""SQL over the lake: what it answers, and everything it must not reach."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from core.catalog import Catalog, queries
from core.catalog.importer import import_csv
from core.catalog.queries import query
from core.errors import InvalidInput, NotFound, Unavailable
from tests.unit.catalog.csv_files import days, minutes


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = Catalog(tmp_path / "lake")
    import_csv(catalog, days(date(2019, 12, 2), 40), name="x.csv", symbol="A")
    import_csv(catalog, days(date(2020, 1, 6), 5, price=200), name="x.csv", symbol="O.K")
    start = datetime(2020, 1, 6, 15, tzinfo=UTC)
    import_csv(catalog, minutes(start, 60), name="m.csv", symbol="A")
    return catalog


def state(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        digest.update(str(path).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_one_view_holds_every_series(catalog: Catalog) -> None:
    answer = query(
        catalog,
        "SELECT symbol, timeframe, count(*) AS rows, min(open) AS low FROM bars "
        "GROUP BY ALL ORDER BY ALL",
    )

    assert answer.rows() == [
        ("A", "1d", 40, 100.0),
        ("A", "1m", 60, 100.0),
        ("O.K", "1d", 5, 200.0),
    ]


def test_the_view_may_be_limited_to_some_symbols(catalog: Catalog) -> None:
    answer = query(catalog, "SELECT DISTINCT symbol FROM bars", symbols=["o.k"])

    assert answer.rows() == [("O.K",)]
    with pytest.raises(NotFound):
        query(catalog, "SELECT 1", symbols=["NONE"])


def test_an_empty_lake_answers_nothing(tmp_path: Path) -> None:
    assert query(Catalog(tmp_path / "none"), "SELECT * FROM bars").height == 0


def test_times_come_out_in_utc(catalog: Catalog) -> None:
    answer = query(catalog, "SELECT min(timestamp) AS first FROM bars WHERE timeframe = '1m'")

    assert answer.item() == datetime(2020, 1, 6, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "sql",
    [
        *("", ";", "SELECT 1; SELECT 2", "SELEC 1", "x" * 20_001),
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW bars AS SELECT 1",
        "DROP VIEW bars",
        "INSERT INTO bars VALUES (1)",
        "COPY (SELECT 1) TO '{outside}'",
        "COPY (SELECT 1) TO '{inside}'",
        "COPY (SELECT 1) TO '{lake}/new.parquet'",
        "ATTACH '{outside}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "SET enable_external_access = true",
        "RESET allowed_paths",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPORT DATABASE '{lake}/dump'",
        "CHECKPOINT",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('{lake}/metadata/instruments.json')",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM read_parquet('{lake}/ohlcv/../../secret.csv')",
        "SELECT * FROM read_parquet('https://example.test/x.parquet')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM catalog",
        "SELECT * FROM no_such_table",
        "SELECT getenv('HOME')",
        "SELECT 1 / 'x'",
    ],
)
def test_nothing_but_a_select_on_the_lake_is_run(
    sql: str, catalog: Catalog, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    (inside,) = (tmp_path / "lake").rglob("A_2019.parquet")
    before = state(tmp_path)
    text = sql.format(
        outside=tmp_path / "out.csv", lake=tmp_path / "lake", inside=inside, secret=secret
    )

    with pytest.raises(InvalidInput) as refused:
        query(catalog, text)

    assert refused.value.field == "sql"
    assert "Traceback" not in refused.value.sentence()
    assert state(tmp_path) == before


def test_a_path_out_of_the_lake_by_a_link_is_not_followed(catalog: Catalog, tmp_path: Path) -> None:
    secret = tmp_path / "secret.parquet"
    (first,) = (tmp_path / "lake").rglob("A_2019.parquet")
    secret.write_bytes(first.read_bytes())
    link = tmp_path / "lake/ohlcv/link.parquet"
    link.symlink_to(secret)

    with pytest.raises(InvalidInput, match="Permission"):
        query(catalog, f"SELECT * FROM read_parquet('{link}')")  # noqa: S608


@pytest.mark.parametrize(
    "statement",
    [
        "SET threads = 1",
        "SET enable_external_access = true",
        "RESET allowed_paths",
        "SET memory_limit = '10GB'",
        "SET autoload_known_extensions = true",
        "ATTACH '/tmp/other.db' AS other",
        "COPY (SELECT 1) TO '/tmp/other.csv'",
        "INSTALL httpfs",
    ],
)
def test_even_what_is_no_select_could_change_nothing(statement: str) -> None:
    """The second wall, should a statement ever come through the first."""
    with duckdb.connect(":memory:") as connection:
        queries._lock_down(connection, {})

        with pytest.raises(duckdb.Error):
            connection.execute(statement)


def test_a_query_that_does_not_end_is_stopped(catalog: Catalog) -> None:
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7"

    with pytest.raises(Unavailable, match=r"took longer than 0\.2 seconds"):
        query(catalog, endless, max_seconds=0.2)


def test_a_query_that_wants_all_memory_is_told_no(catalog: Catalog) -> None:
    greedy = "SELECT list(range) FROM range(500000000)"

    with pytest.raises((InvalidInput, Unavailable)):
        query(catalog, greedy, max_seconds=20)


def test_an_answer_is_bounded(catalog: Catalog) -> None:
    with pytest.raises(InvalidInput, match="more than 10 rows"):
        query(catalog, "SELECT * FROM bars", max_rows=10)
