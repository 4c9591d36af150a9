"""SQL over the lake, locked down: one SELECT, on the lake's own files, for a bounded time.

Every query runs in an in-memory DuckDB of its own that may open the year files it was given and
nothing else: no other path, no network, no extension, no setting. It sees one view:

    bars(symbol, timeframe, timestamp, open, high, low, close, volume)
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from core.catalog.columns import SCHEMA
from core.catalog.lake import Catalog
from core.domain.timeframe import Timeframe
from core.errors import DataProblem, InvalidInput, Unavailable

MAX_SECONDS: Final = 10.0
MAX_ROWS: Final = 10_000
MAX_MEMORY: Final = "512MB"
MAX_SQL: Final = 20_000

_ATTEMPTS: Final = 3
_Files = dict[tuple[str, Timeframe], list[Path]]
_NOTHING: Final = (
    "SELECT NULL::VARCHAR AS symbol, NULL::VARCHAR AS timeframe, NULL::TIMESTAMPTZ AS timestamp, "
    "NULL::DOUBLE AS open, NULL::DOUBLE AS high, NULL::DOUBLE AS low, NULL::DOUBLE AS close, "
    "NULL::DOUBLE AS volume WHERE FALSE"
)


def query(
    catalog: Catalog,
    sql: str,
    *,
    symbols: Sequence[str] | None = None,
    max_seconds: float = MAX_SECONDS,
    max_rows: int = MAX_ROWS,
) -> pl.DataFrame:
    """Answer one SELECT.

    Args:
        catalog: Lake to ask.
        sql: One SELECT statement on the view `bars`.
        symbols: To offer in the view; all if not given.
        max_seconds: After which the query is stopped.
        max_rows: Of the answer.

    Raises:
        InvalidInput: the statement is no single SELECT, cannot be run, or answers too many rows.
        NotFound: one of the symbols has no bars.
        Unavailable: the query took too long.
        DataProblem: a file of the lake cannot be read.
    """
    statement = _single_select(sql)
    for attempt in range(_ATTEMPTS):
        try:
            files = _files(catalog, symbols)
            with duckdb.connect(":memory:") as connection:
                _lock_down(connection, files)
                return _run(connection, statement, max_seconds, max_rows)
        except (OSError, duckdb.IOException) as error:
            # A file may have moved from its staging place into its own since it was looked up.
            if attempt == _ATTEMPTS - 1:
                raise DataProblem(f"a file of the lake cannot be read: {_line(error)}") from error
    raise AssertionError  # the loop returns or raises


def _single_select(sql: str) -> str:
    if len(sql) > MAX_SQL:
        raise InvalidInput(
            f"the query has {len(sql):,} characters", expected=f"at most {MAX_SQL:,}", field="sql"
        )
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise InvalidInput(f"the query is no SQL: {_line(error)}", field="sql") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InvalidInput(
            f"the query holds {len(statements)} statements, or one that is no SELECT",
            expected="one SELECT",
            field="sql",
        )
    return str(statements[0].query)


def _files(catalog: Catalog, symbols: Sequence[str] | None) -> _Files:
    names = (
        catalog.symbols()
        if symbols is None
        else [catalog.series(symbol)[0].symbol for symbol in symbols]
    )
    found = {
        (name, timeframe): [part.path for part in catalog.parts(name, timeframe)]
        for name in dict.fromkeys(names)
        for timeframe in Timeframe
    }
    return {series: paths for series, paths in found.items() if paths}


def _lock_down(connection: duckdb.DuckDBPyConnection, files: _Files) -> None:
    paths = [str(path) for group in files.values() for path in group]
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET memory_limit = '{MAX_MEMORY}'")
    connection.execute("SET max_temp_directory_size = '0KiB'")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET python_enable_replacements = false")
    connection.execute(f"SET allowed_paths = [{', '.join(map(_literal, paths))}]")
    connection.execute("SET enable_external_access = false")
    columns = ", ".join(SCHEMA)
    views = [
        # names are checked symbols and our own paths, quoted; a view takes no parameters
        f"SELECT {_literal(name)} AS symbol, {_literal(timeframe)} AS timeframe, {columns} "  # noqa: S608
        f"FROM read_parquet([{', '.join(_literal(str(path)) for path in group)}], "
        "hive_partitioning = false)"
        for (name, timeframe), group in files.items()
    ]
    connection.execute(f"CREATE VIEW bars AS {' UNION ALL '.join(views) or _NOTHING}")
    connection.execute("SET lock_configuration = true")


def _run(
    connection: duckdb.DuckDBPyConnection, statement: str, max_seconds: float, max_rows: int
) -> pl.DataFrame:
    late = threading.Event()

    def stop() -> None:
        late.set()
        connection.interrupt()

    timer = threading.Timer(max_seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        answer: pl.DataFrame = connection.sql(statement).limit(max_rows + 1).pl()
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
        if late.is_set():
            raise Unavailable(
                f"the query took longer than {max_seconds:g} seconds and was stopped",
                hint="ask for fewer symbols or a shorter span",
            ) from error
        raise InvalidInput(f"the query cannot be run: {_line(error)}", field="sql") from error
    finally:
        timer.cancel()
    if answer.height > max_rows:
        raise InvalidInput(
            f"the query answers more than {max_rows:,} rows",
            expected=f"at most {max_rows:,}",
            hint="aggregate, or add a LIMIT",
            field="sql",
        )
    return answer


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _line(error: Exception) -> str:
    return (str(error).splitlines() or ["unknown error"])[0][:200]
