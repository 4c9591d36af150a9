"""Which column is which, and files that are not what they seem."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from core.catalog.csv_layout import detect_layout
from core.catalog.numbers import read_numbers
from core.catalog.source import Source, read_source
from core.errors import DataProblem


def layout(*lines: str) -> dict[str, str]:
    """Role to name of column."""
    found = detect_layout(pl.Series(lines), None)
    return {role: found.names[index] for role, index in found.roles.items()}


ROW = "2020-01-06,1,2,0.5,1.5,7"


SOURCES: list[tuple[str, dict[str, str]]] = [
    ("Date,Open,High,Low,Close,Volume", {"timestamp": "Date", "volume": "Volume"}),
    ("Date,Open,High,Low,Close,Adj Close,Volume", {"close": "Close", "volume": "Volume"}),
    ("Date,Price,Open,High,Low,Vol.,Change %", {"close": "Price", "volume": "Vol."}),
    ("Date,Close/Last,Volume,Open,High,Low", {"close": "Close/Last"}),
    ("timestamp,open,high,low,close,volume,t,oi", {"timestamp": "timestamp"}),
    (
        "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD",
        {"timestamp": "date", "volume": "Volume BTC"},
    ),
    ("date,symbol,open,high,low,close,volume_btc,volume", {"volume": "volume_btc"}),
    (
        "open_time,open,high,low,close,volume,close_time,quote_volume",
        {"timestamp": "open_time", "volume": "volume"},
    ),
    ("Gmt time,Open,High,Low,Close,Volume", {"timestamp": "Gmt time"}),
    ("time,o,h,l,c,v", {"timestamp": "time", "open": "o", "volume": "v"}),
    ("t,o,h,l,c,v", {"timestamp": "t"}),
    (
        "timestamp,1. open,2. high,3. low,4. close,5. volume",
        {"open": "1. open", "volume": "5. volume"},
    ),
    (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
        {"date": "<DATE>", "time": "<TIME>", "volume": "<VOL>"},
    ),
    ("<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<TICKVOL>,<VOL>,<SPREAD>", {"volume": "<VOL>"}),
    ("<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<TICKVOL>,<SPREAD>", {"volume": "<TICKVOL>"}),
    ("Open,High,Low,Close,Date Time", {"timestamp": "Date Time"}),
    ("Date,Time,Datetime,Open,High,Low,Close", {"timestamp": "Datetime"}),
    ("DATE,OPEN,HIGH,LOW,CLOSE", {"timestamp": "DATE", "close": "CLOSE"}),
]


@pytest.mark.parametrize(("header", "roles"), SOURCES, ids=[header for header, _ in SOURCES])
def test_the_names_of_the_usual_sources_are_known(header: str, roles: dict[str, str]) -> None:
    row = ",".join(["2020-01-06"] * len(header.split(",")))

    found = layout(header, row)

    assert {role: found[role] for role in roles} == roles
    assert {"open", "high", "low", "close"} <= found.keys()


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_makes_a_header(sign: str) -> None:
    found = detect_layout(
        pl.Series([line.replace(",", sign) for line in ("a,b", HEADER, ROW)]), None
    )

    assert (found.delimiter, found.header) == (sign, 2)


HEADER = "date,open,high,low,close,volume"


def test_a_banner_of_many_lines_is_passed_over() -> None:
    found = detect_layout(
        pl.Series([*(["# text, with, commas, of, all, kinds"] * 12), HEADER, ROW]), None
    )

    assert found.header == 13


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["date,open,high,low", "2020-01-06,1,2,3"], "no column for close"),
        (["open,high,low,close", "1,2,0.5,1.5"], "no column for time"),
        (
            ["date,open,high,low,close,close", "2020-01-06,1,2,0.5,1.5,1.5"],
            "2 columns are called 'close'",
        ),
        (["timestamp,price,amount", "1315922016,5.8,1"], "trades, not bars"),
        (["time,price,size,side", "1315922016,5.8,1,buy"], "trades, not bars"),
        (["1315922016,5.8,1"] * 5, "trades, not bars"),
        (["date,close", "2020-01-06,1"], "no column for open and high and low"),
        (["hello world"] * 5, "one of the first 40 lines is a header"),
        (["2020-01-06,1,2,0.5,1.5,7,8,9"] * 5, "no header and 8 columns"),
        (["a" + ",b" * 250, ROW], "251 columns"),
    ],
)
def test_what_is_no_file_of_bars_is_told_what_is_missing(lines: list[str], words: str) -> None:
    with pytest.raises(DataProblem) as refused:
        detect_layout(pl.Series(lines), None)

    assert words in refused.value.sentence()


def test_klines_of_an_exchange_are_known_without_header() -> None:
    row = "1637971200000,1,2,0.5,1.5,36304,1637971259999,1.03,79,19523,0.55,0"

    found = detect_layout(pl.Series([row] * 3), None)

    assert (found.header, found.assumed, dict(found.roles)["close"]) == (0, False, 4)


def test_five_or_six_columns_without_header_are_assumed_and_marked() -> None:
    assert detect_layout(pl.Series([ROW] * 3), None).assumed
    split = detect_layout(pl.Series(["20170102,020000,1,2,0.5,1.5,0"] * 3), None)
    assert (split.assumed, split.roles["open"]) == (True, 2)


# Files ----------------------------------------------------------------------------------------


def source(data: bytes, name: str = "x.csv") -> Source:
    return read_source(data, name)


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (b"a\nb\n", "LF"),
        (b"a\r\nb\r\n", "CRLF"),
        (b"a\rb\r", "CR"),
        (b"a\r\nb\n", "mixed"),
        (b"a\rb\n", "mixed"),
        (b"ab", "none"),
    ],
)
def test_line_ends_of_all_kinds_part_lines(data: bytes, ends: str) -> None:
    found = source(data)

    assert found.line_ends == ends
    assert [line for line in found.lines if line] == (["ab"] if ends == "none" else ["a", "b"])


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"a,b\n", "UTF-8"),
        (b"\xef\xbb\xbfa,b\n", "UTF-8 with BOM"),
        ("é\n".encode(), "UTF-8"),
        ("é\n".encode("latin-1"), "Latin-1"),
        (b"\xff\xfe" + "a,b\n".encode("utf-16-le"), "UTF-16"),
        (b"\xfe\xff" + "a,b\n".encode("utf-16-be"), "UTF-16"),
    ],
)
def test_encodings_are_told_apart(data: bytes, encoding: str) -> None:
    assert source(data).encoding == encoding


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "x.csv", "is empty"),
        (b" \r\n\t", "x.csv", "is empty"),
        (gzip.compress(b"a,b\n", mtime=0), "x.csv", "holds gzip"),
        (b"a,b\n", "x.csv.gz", "does not hold gzip"),
        (gzip.compress(gzip.compress(b"a,b\n", mtime=0), mtime=0), "x.csv.gz", "holds gzip"),
        (gzip.compress(b"a,b\n" * 99, mtime=0)[:-9], "x.csv.gz", "in the middle of its gzip data"),
        (gzip.compress(b"a,b\n", mtime=0) + b"tail", "x.csv.gz", "something follows"),
        (gzip.compress(b"PK\x03\x04zip", mtime=0), "x.csv.gz", "zip archive"),
        (b"PK\x03\x04zip", "x.csv", "zip archive or a spreadsheet"),
        (b"\xfd7zXZ\x00", "x.csv", "holds xz"),
        (b"(\xb5/\xfd", "x.csv", "holds zstd"),
        (b"PAR1", "x.csv", "holds Parquet"),
        (b'{"a": 1}', "x.csv", "holds JSON"),
        (b"\xef\xbb\xbf  [[1]]", "x.csv", "holds JSON"),
        (b"<!DOCTYPE html>", "x.csv", "web page"),
        (b"a,b\n1,\x002\n", "x.csv", "control character 0x00 in line 2"),
        ("a,b\n".encode("utf-16-le"), "x.csv", "byte order mark"),
        (b"\xff\xfe\x00", "x.csv", "UTF-16"),
        (b"\xff\xfe\x00\x00a", "x.csv", "UTF-32"),
        (b"a\n" + b"x" * 20_001, "x.csv", "ine 2 of 'x.csv' has 20,001 bytes"),
    ],
)
def test_what_is_no_text_of_bars_is_named_and_refused(data: bytes, name: str, words: str) -> None:
    with pytest.raises(DataProblem) as refused:
        source(data, name)

    assert words in refused.value.sentence()


def test_a_file_and_its_bytes_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))

    assert read_source(path, path.name).lines.to_list() == source(b"a,b\n1,2\n").lines.to_list()


# Numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("12", 12.0), ("-0.5", -0.5), (".5", 0.5), ("5.", 5.0), ("+7", 7.0), ("1e5", 1e5)),
        *(("2.865E-05", 2.865e-05), ("28,374.6", 28374.6), ("1,234,567", 1234567.0)),
        *(("$172.62", 172.62), ("58.87K", 58870.0), ("1.1m", 1.1e6), ("2B", 2e9), ("0.3T", 3e11)),
        *(("0.1", 0.1), ("123456789.123456789", 123456789.123456789), ("1e-400", 0.0)),
    ],
)
def test_a_number_is_read_and_rounded_once(text: str, value: float) -> None:
    found = read_numbers(pl.Series([text]))

    assert found.values.tolist() == [value]


@pytest.mark.parametrize(
    "text",
    [
        *("abc", "1_000", "0x10", "1,23", "12,34,567", ",5", "1,2345", "1e", "e5", "--1", "1.2.3"),
        *("inf", "-inf", "1e400", "\uff11", "\u0663", "1 2", "5%", "1e5K", "K", "$", "(5)", "5-"),
        *("\u22125", "1\u00a0000", "NaNs", "0b1", "1'000"),
    ],
)
def test_anything_else_is_no_number(text: str) -> None:
    found = read_numbers(pl.Series([text, "1"]))

    assert found.missing.tolist() == [False, False]
    assert str(found.values[0]) == "nan"


@pytest.mark.parametrize("text", ["", "-", "--", "NULL", "None", "nil", "NaN", "NA", "n/a", "#N/A"])
def test_words_for_no_value_are_a_missing_value(text: str) -> None:
    assert read_numbers(pl.Series([text])).missing.tolist() == [True]
