"""What an import does to the lake, option by option."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.catalog import Catalog
from core.catalog.importer import import_csv
from core.domain.timeframe import Timeframe
from core.errors import Cancelled, Conflict, DataProblem, InvalidInput, NotFound, Unavailable
from tests.unit.catalog.csv_files import csv, days, minutes, stamped


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "lake")


def state(catalog: Catalog) -> dict[str, str]:
    """Every file of the lake and its hash."""
    return {
        path.relative_to(catalog.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(catalog.root.rglob("*"))
        if path.is_file()
    }


def prices(catalog: Catalog, symbol: str, timeframe: Timeframe) -> list[Any]:
    return catalog.frame(symbol, timeframe).rows()


# Again, more, and against what is there -------------------------------------------------------


def test_the_same_file_again_changes_no_byte(catalog: Catalog) -> None:
    data = days(date(2019, 12, 20), 20)
    first = import_csv(catalog, data, name="x.csv", symbol="A")
    before, token = state(catalog), catalog.change_token()

    again = import_csv(catalog, data, name="x.csv", symbol="A")

    assert (first.outcome, first.rows_new) == ("imported", 20)
    assert (again.outcome, again.rows_stored, again.rows_new) == ("unchanged", 20, 0)
    assert again.content_hash == first.content_hash
    assert state(catalog) == before
    assert catalog.change_token() == token


def test_what_goes_on_is_appended_and_the_file_is_as_if_imported_at_once(
    catalog: Catalog, tmp_path: Path
) -> None:
    data = days(date(2019, 12, 2), 60)
    lines = data.decode().splitlines(keepends=True)
    head, tail = "".join(lines[:31]).encode(), "".join([lines[0], *lines[26:]]).encode()

    first = import_csv(catalog, head, name="x.csv", symbol="A")
    token = catalog.change_token()
    second = import_csv(catalog, tail, name="x.csv", symbol="A")
    whole = Catalog(tmp_path / "other")
    import_csv(whole, data, name="x.csv", symbol="A")

    assert (first.outcome, first.rows_new) == ("imported", 30)
    assert (second.outcome, second.rows_stored, second.rows_new) == ("appended", 35, 30)
    assert catalog.change_token() != token
    parquet = {name: value for name, value in state(catalog).items() if name.endswith(".parquet")}
    assert parquet == {
        name: value for name, value in state(whole).items() if name.endswith(".parquet")
    }
    assert catalog.last_import("A") == second


def test_rows_between_stored_ones_are_filled_in(catalog: Catalog) -> None:
    lines = days(date(2020, 1, 1), 30).decode().splitlines()
    even, odd = ("\n".join([lines[0], *lines[at::2], ""]).encode() for at in (1, 2))
    import_csv(catalog, even, name="x.csv", symbol="A", timeframe=Timeframe.D1)

    import_csv(catalog, odd, name="x.csv", symbol="A", timeframe=Timeframe.D1)

    opens = catalog.bars("A", Timeframe.D1).open
    assert opens.tolist() == [100.0 + at for at in range(30)]


def test_a_row_against_a_stored_one_is_listed_and_history_stays(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 1), 10), name="x.csv", symbol="A")
    before = prices(catalog, "A", Timeframe.D1)
    lines = days(date(2020, 1, 1), 14).decode().splitlines()
    lines[3] = lines[3].replace(",10.0", ",11.0")

    report = import_csv(catalog, "\n".join(lines).encode(), name="x.csv", symbol="A")

    (rejection,) = report.rejections
    assert (rejection.line, rejection.reason) == (4, "conflicting_duplicate")
    assert "the lake has other values" in rejection.detail
    assert (report.outcome, report.rows_stored, report.rows_new) == ("appended", 13, 4)
    assert prices(catalog, "A", Timeframe.D1)[:10] == before


def test_a_file_that_contradicts_history_is_refused_whole(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 1), 10), name="x.csv", symbol="A")
    before = state(catalog)

    with pytest.raises(DataProblem, match="conflicting_duplicate"):
        import_csv(catalog, days(date(2020, 1, 1), 12, price=50), name="x.csv", symbol="A")

    assert state(catalog) == before


def test_a_missing_volume_is_not_the_same_as_none(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 1), 10), name="x.csv", symbol="A")
    lines = days(date(2020, 1, 1), 10).decode().splitlines()
    lines[2] = lines[2].replace(",10.0", ",")

    report = import_csv(catalog, "\n".join(lines).encode(), name="x.csv", symbol="A")

    assert report.rejected_by_reason == {"conflicting_duplicate": 1}
    assert "1 rows have no volume" in report.warnings


@pytest.mark.parametrize("changes", [{"market": "XNSE"}, {"synthetic": True}])
def test_a_symbol_keeps_its_market_and_its_nature(
    catalog: Catalog, changes: dict[str, Any]
) -> None:
    import_csv(catalog, days(date(2020, 1, 1), 10), name="x.csv", symbol="A")

    with pytest.raises(Conflict, match="A is known with"):
        import_csv(catalog, days(date(2020, 3, 2), 10), name="x.csv", symbol="A", **changes)


def test_a_symbol_may_be_stored_at_several_lengths(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 1), 10), name="d.csv", symbol="A")
    start = datetime(2020, 1, 2, 14, 30, tzinfo=UTC)
    report = import_csv(catalog, minutes(start, 30), name="m.csv", symbol="A")

    assert [each.timeframe for each in catalog.series("A")] == [Timeframe.M1, Timeframe.D1]
    assert len(catalog.bars("A", Timeframe.D1)) == 10
    assert len(catalog.bars("A", Timeframe.M5)) == 6
    assert catalog.last_import("A") == report


# The report -----------------------------------------------------------------------------------


def test_rows_read_are_rows_stored_and_rows_listed(catalog: Catalog) -> None:
    lines = days(date(2020, 1, 1), 12).decode().splitlines()
    lines[4] = lines[4].replace(",", ";", 2)
    lines[6] = "2020-01-32" + lines[6][10:]
    lines.insert(8, "")

    report = import_csv(catalog, "\n".join(lines).encode(), name="x.csv", symbol="A")

    assert report.rows_read == 12
    assert report.rows_stored + len(report.rejections) == 12
    assert [(each.line, each.reason) for each in report.rejections] == [
        (5, "field_count"),
        (7, "bad_time"),
    ]


def test_the_content_hash_tells_content_and_nothing_else(catalog: Catalog, tmp_path: Path) -> None:
    plain = days(date(2020, 1, 1), 30)
    lines = plain.decode().splitlines()
    dressed = "\r\n".join([lines[0].upper(), *reversed(lines[1:])]).encode()
    one_cell = plain.replace(b",129.5,10.0", b",129.5,10.5")
    times = plain.replace(b"2020-02-11", b"2020-02-15")

    def content(data: bytes, name: str) -> str:
        report = import_csv(Catalog(tmp_path / name), data, name="x.csv", symbol="A")
        return report.content_hash

    assert content(plain, "1") == content(dressed, "2")
    assert len({content(plain, "3"), content(one_cell, "4"), content(times, "5")}) == 3


def test_an_import_does_not_depend_on_the_zone_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    data = minutes(datetime(2020, 3, 6, 9, 30), 500)  # noqa: DTZ001 - the clock of New York
    hashes = set()
    for zone in ("UTC", "Asia/Kolkata", "America/Los_Angeles"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        catalog = Catalog(tmp_path / zone.replace("/", "-"))
        report = import_csv(catalog, data, name="x.csv", symbol="A")
        hashes.add((report.content_hash, catalog.bars("A", Timeframe.D1).data_hash))
    monkeypatch.delenv("TZ")
    time.tzset()

    assert len(hashes) == 1


def test_the_report_is_kept_as_it_was_given(catalog: Catalog) -> None:
    lines = days(date(2020, 1, 1), 12).decode().splitlines()
    lines[4] = "x"

    report = import_csv(catalog, "\n".join(lines).encode(), name="x.csv", symbol="A")

    assert Catalog(catalog.root).last_import("A") == report
    kept = json.loads((catalog.root / "metadata/imports/000001_A_1d.json").read_text())
    assert kept["rejections"][0]["line"] == 5


def test_most_rows_bad_is_a_refusal_that_counts_and_shows(catalog: Catalog) -> None:
    lines = days(date(2020, 1, 1), 10).decode().splitlines()
    for at in range(1, 7):
        lines[at] = lines[at].replace(",1", ",x1", 1)

    with pytest.raises(DataProblem) as refused:
        import_csv(catalog, "\n".join(lines).encode(), name="x.csv", symbol="A")

    wanted = "6 of 10 rows were rejected (6 not_a_number): line 2: open is 'x100.0'; line 3:"
    assert wanted in refused.value.message
    assert catalog.symbols() == []
    assert not catalog.root.exists()


def test_progress_only_goes_forward_and_reaches_the_end(catalog: Catalog) -> None:
    told: list[float] = []

    import_csv(catalog, days(date(2020, 1, 1), 10), name="x.csv", symbol="A", progress=told.append)

    assert told == sorted(set(told))
    assert told[-1] == 1.0
    assert len(told) > 4


def test_an_import_that_is_stopped_leaves_no_trace(catalog: Catalog) -> None:
    def stop(share: float) -> None:
        if share >= 0.9:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        import_csv(catalog, days(date(2020, 1, 1), 10), name="x.csv", symbol="A", progress=stop)

    assert catalog.symbols() == []
    assert not list(catalog.root.rglob("*.parquet"))


# Options --------------------------------------------------------------------------------------


def test_times_without_zone_are_the_markets_own_and_the_report_says_so(catalog: Catalog) -> None:
    data = minutes(datetime(2020, 1, 6, 9, 15), 30)  # noqa: DTZ001

    report = import_csv(catalog, data, name="x.csv", symbol="A", market="XNSE")

    assert report.first == datetime(2020, 1, 6, 3, 45, tzinfo=UTC)
    assert report.layout["zone"] == "Asia/Kolkata, the market's own"
    assert any("carry no zone" in warning for warning in report.warnings)


def test_the_zone_option_says_which_clock_the_file_shows(catalog: Catalog) -> None:
    data = minutes(datetime(2020, 1, 6, 14, 30), 30)  # noqa: DTZ001

    report = import_csv(catalog, data, name="x.csv", symbol="A", zone="UTC")

    assert report.first == datetime(2020, 1, 6, 14, 30, tzinfo=UTC)
    assert catalog.bars("A", Timeframe.M1).minute[0] == 570


def test_a_zone_is_not_needed_where_the_stamps_have_their_own(catalog: Catalog) -> None:
    data = minutes(datetime(2020, 1, 6, 14, 30, tzinfo=UTC), 30)

    report = import_csv(catalog, data, name="x.csv", symbol="A", zone="Asia/Kolkata")

    assert report.first == datetime(2020, 1, 6, 14, 30, tzinfo=UTC)
    assert "the zone option is not used: the times carry their own" in report.warnings


def test_the_wrong_zone_is_seen_by_the_session_it_misses(catalog: Catalog) -> None:
    data = minutes(datetime(2020, 1, 6, 9, 30), 60)  # noqa: DTZ001

    report = import_csv(catalog, data, name="x.csv", symbol="A", zone="UTC")

    assert any("is the zone right?" in warning for warning in report.warnings)


def test_hours_the_clock_skipped_or_repeated_are_listed(catalog: Catalog) -> None:
    stamps = [f"2015-03-08 {hour:02d}:30" for hour in range(6)]
    stamps += [f"2015-11-01 {hour:02d}:30" for hour in range(6)]

    report = import_csv(
        catalog, stamped(stamps), name="x.csv", symbol="A", zone="America/New_York", market="24/7"
    )

    assert [(each.line, each.reason) for each in report.rejections] == [
        (4, "nonexistent_time"),
        (9, "ambiguous_time"),
    ]
    assert "was skipped by the clocks of America/New_York" in report.rejections[0].detail


def test_labels_at_the_close_are_moved_to_the_opening(catalog: Catalog) -> None:
    data = minutes(datetime(2020, 1, 6, 14, 35, tzinfo=UTC), 30, step=300)

    report = import_csv(catalog, data, name="x.csv", symbol="A", label="close")

    assert report.first == datetime(2020, 1, 6, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stamps", "options", "first"),
    [
        # midnight as written is the session's date, whatever the zone
        (["2020-01-06", "2020-01-07", "2020-01-08"], {}, "2020-01-06"),
        (["2020-01-06T00:00:00Z", "2020-01-07T00:00:00Z"], {"timeframe": "1d"}, "2020-01-06"),
        (["2020-01-06T00:00:00-05:00", "2020-01-07T00:00:00-05:00"], {}, "2020-01-06"),
        (["1578268800", "1578355200"], {}, "2020-01-06"),
        (["2020-01-06", "2020-01-07"], {"label": "close"}, "2020-01-06"),
        # other times name the session they fall in
        (["2020-01-06 16:00", "2020-01-07 16:00"], {}, "2020-01-06"),
        (["2020-01-06T05:00:00Z", "2020-01-07T05:00:00Z"], {}, "2020-01-06"),
        (["2020-01-06T02:00:00Z", "2020-01-07T02:00:00Z"], {}, "2020-01-05"),
        (["2020-01-05T22:00:00Z", "2020-01-06T22:00:00Z"], {"market": "FX"}, "2020-01-06"),
        # the close of a day that never stops is the next midnight
        (
            ["2020-01-07 00:00", "2020-01-08 00:00"],
            {"market": "24/7", "label": "close"},
            "2020-01-06",
        ),
        (
            ["2020-01-06T22:00:00Z", "2020-01-07T22:00:00Z"],
            {"market": "FX", "label": "close"},
            "2020-01-06",
        ),
        # weeks and months carry the date of their first day
        (["2020-01-06", "2020-01-13"], {}, "2020-01-06"),
        (["2020-01-05", "2020-01-12"], {}, "2020-01-06"),
        (["2020-01-10", "2020-01-17"], {"label": "close"}, "2020-01-06"),
        (["2020-01-31", "2020-02-29"], {"label": "close", "timeframe": "1M"}, "2020-01-01"),
        (["2020-01-01", "2020-02-01", "2020-03-01"], {}, "2020-01-01"),
    ],
)
def test_daily_and_longer_bars_open_on_dates(
    catalog: Catalog, stamps: list[str], options: dict[str, Any], first: str
) -> None:
    if "timeframe" in options:
        options = options | {"timeframe": Timeframe(options["timeframe"])}

    report = import_csv(catalog, stamped(stamps), name="x.csv", symbol="A", **options)

    assert report.first == datetime.fromisoformat(first).replace(tzinfo=UTC)
    assert report.rows_stored == len(stamps)
    assert not report.timeframe.is_intraday


def test_two_rows_of_one_month_contradict_each_other(catalog: Catalog) -> None:
    data = stamped([f"2020-{month:02d}-01" for month in range(1, 11)] + ["2020-10-26"])
    data = data.replace(b"2020-10-26,1,", b"2020-10-26,1.1,")

    report = import_csv(catalog, data, name="x.csv", symbol="A")

    assert report.timeframe is Timeframe.MN1
    assert report.rejected_by_reason == {"conflicting_duplicate": 2}


@pytest.mark.parametrize(
    ("seconds", "timeframe"),
    [
        *((60, "1m"), (180, "3m"), (300, "5m"), (600, "10m"), (900, "15m"), (1800, "30m")),
        *((3600, "1h"), (14400, "4h"), (86400, "1d"), (604800, "1w")),
    ],
)
def test_the_length_is_the_step_most_rows_are_apart(
    catalog: Catalog, seconds: int, timeframe: str
) -> None:
    data = minutes(datetime(2020, 1, 6, tzinfo=UTC), 12, step=seconds)
    gap = minutes(datetime(2024, 1, 1, tzinfo=UTC), 3, step=seconds).split(b"\n", 1)[1]

    report = import_csv(catalog, data + gap, name="x.csv", symbol="A", market="24/7")

    assert report.timeframe == timeframe


@pytest.mark.parametrize("seconds", [1, 30, 120, 7200, 86400 * 3])
def test_a_step_that_is_no_known_length_is_refused(catalog: Catalog, seconds: int) -> None:
    data = minutes(datetime(2020, 1, 6, tzinfo=UTC), 12, step=seconds)

    with pytest.raises((DataProblem, InvalidInput)) as refused:
        import_csv(catalog, data, name="x.csv", symbol="A", market="24/7")

    assert "apart" in refused.value.message or "second of their minutes" in refused.value.message


def test_one_row_needs_to_be_told_its_length(catalog: Catalog) -> None:
    data = stamped(["2020-01-06"])

    with pytest.raises(InvalidInput) as asked:
        import_csv(catalog, data, name="x.csv", symbol="A")
    report = import_csv(catalog, data, name="x.csv", symbol="A", timeframe=Timeframe.D1)

    assert asked.value.field == "timeframe"
    assert report.rows_stored == 1


def test_a_thin_market_may_say_its_length(catalog: Catalog) -> None:
    at = [0, 1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]
    stamps = [f"2020-01-06T15:{minute:02d}:00Z" for minute in at]

    report = import_csv(catalog, stamped(stamps), name="x.csv", symbol="A", timeframe=Timeframe.M1)

    assert (report.timeframe, report.rows_stored) == (Timeframe.M1, 13)


@pytest.mark.parametrize(("step", "said"), [(60, "5m"), (300, "1m"), (86400, "1h"), (3600, "1d")])
def test_a_length_the_rows_contradict_is_refused(catalog: Catalog, step: int, said: str) -> None:
    data = minutes(datetime(2020, 1, 6, tzinfo=UTC), 12, step=step)

    with pytest.raises(InvalidInput) as refused:
        import_csv(catalog, data, name="x.csv", symbol="A", timeframe=Timeframe(said))

    assert refused.value.field == "timeframe"


def test_a_row_off_the_grid_of_minutes_is_listed(catalog: Catalog) -> None:
    stamps = [f"2020-01-06T15:{minute:02d}:00Z" for minute in range(12)]
    stamps[5] = "2020-01-06T15:05:17Z"

    report = import_csv(catalog, stamped(stamps), name="x.csv", symbol="A", timeframe=None)

    (rejection,) = report.rejections
    assert (rejection.line, rejection.reason) == (7, "bad_time")


def test_columns_may_be_named_by_the_caller(catalog: Catalog) -> None:
    data = csv(
        *(f"2020-01-{day:02d},9,9,9,9,1,2,0.5,1.5" for day in range(6, 11)),
        header="When,Open,High,Low,Close,Adj. Open,Adj. High,Adj. Low,Adj. Close",
    )
    columns = {
        "timestamp": "when",
        "open": "Adj. Open",
        "high": "adj. high",
        "low": "Adj. Low",
        "close": "Adj. Close",
    }

    report = import_csv(catalog, data, name="x.csv", symbol="A", columns=columns)

    assert catalog.bars("A", Timeframe.D1).close.tolist() == [1.5] * 5
    assert "open=Adj. Open" in report.layout["columns"]


def test_columns_without_header_are_named_by_number(catalog: Catalog) -> None:
    # a source that writes time, open, close, high, low
    rows = [f"{1_483_228_800_000 + 60_000 * at},1,1.5,2,0.5,7" for at in range(8)]
    data = "\n".join(rows).encode()
    columns = {"timestamp": "1", "open": "2", "close": "3", "high": "4", "low": "5", "volume": "6"}

    with pytest.raises(DataProblem, match="8 high_low") as refused:
        import_csv(catalog, data, name="x.csv", symbol="A", market="24/7")
    assert "no header" in (refused.value.hint or "")
    import_csv(catalog, data, name="x.csv", symbol="A", market="24/7", columns=columns)

    bars = catalog.bars("A", Timeframe.M1)
    assert (bars.high[0], bars.low[0], bars.close[0], bars.volume[0]) == (2.0, 0.5, 1.5, 7.0)


@pytest.mark.parametrize(
    "columns",
    [
        {"opening": "Open"},
        {"open": "nowhere"},
        {"timestamp": "timestamp", "date": "timestamp"},
    ],
)
def test_columns_that_name_what_is_not_there_are_refused(
    catalog: Catalog, columns: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        import_csv(catalog, days(date(2020, 1, 1), 5), name="x.csv", symbol="A", columns=columns)

    assert refused.value.field == "columns"


def test_prices_before_a_split_are_put_on_the_terms_after_it(catalog: Catalog) -> None:
    data = csv(
        "2020-01-06,100,102,98,100,10",
        "2020-01-07,50,51,49,50,20",
        "2020-01-08,500,510,490,500,2",
    )
    splits = [(date(2020, 1, 8), 0.1), (date(2020, 1, 7), 2.0)]

    report = import_csv(catalog, data, name="x.csv", symbol="A", splits=splits)

    bars = catalog.bars("A", Timeframe.D1)
    assert bars.close.tolist() == [500.0, 500.0, 500.0]
    assert bars.high.tolist() == [510.0, 510.0, 510.0]
    assert bars.volume.tolist() == [2.0, 2.0, 2.0]
    assert report.layout["splits"] == "2020-01-07 2:1, 2020-01-08 0.1:1"
    assert report.warnings == ()


def test_a_split_that_does_not_show_is_told(catalog: Catalog) -> None:
    report = import_csv(
        catalog,
        days(date(2020, 1, 1), 10),
        name="x.csv",
        symbol="A",
        splits=[(date(2020, 1, 7), 2.0)],
    )

    assert any("does not show in the prices" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    "splits",
    [
        [(date(2020, 1, 1), 0.0)],
        [(date(2020, 1, 1), -2.0)],
        [(date(2020, 1, 1), float("nan"))],
        [(date(2020, 1, 1), 1.0)],
        [(date(2020, 1, 1), 2.0), (date(2020, 1, 1), 3.0)],
        [("2020-01-01", 2.0)],
    ],
)
def test_a_split_that_cannot_be_is_refused(catalog: Catalog, splits: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        import_csv(catalog, days(date(2020, 1, 1), 5), name="x.csv", symbol="A", splits=splits)

    assert refused.value.field == "splits"


@pytest.mark.parametrize(
    "options",
    [
        {"market": "XXXX"},
        {"zone": "Nowhere/Town"},
        {"label": "middle"},
        {"date_order": "ydm"},
        {"description": "x" * 2_001},
    ],
)
def test_an_option_that_cannot_be_is_refused_before_the_file_is_read(
    catalog: Catalog, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        import_csv(catalog, Path("no such file"), name="x.csv", symbol="A", **options)

    assert refused.value.field == next(iter(options))


def test_what_is_said_about_a_symbol_is_kept(catalog: Catalog) -> None:
    import_csv(
        catalog,
        days(date(2020, 1, 1), 5),
        name="x.csv",
        symbol="A",
        synthetic=True,
        description="made",
        source_note="a seed",
    )

    (series,) = catalog.series("A")

    assert (series.synthetic, series.description, series.source) == (True, "made", "a seed")
    assert (series.rows, series.market) == (5, "XNYS")


# Numbers --------------------------------------------------------------------------------------


def test_numbers_keep_every_digit(catalog: Catalog) -> None:
    cells = ("0.00002853", "2.865e-05", "0.000028", "28.5300000000000011e-6", "1.5K")
    data = stamped(["2020-01-06", "2020-01-07"], cells)

    import_csv(catalog, data, name="x.csv", symbol="A")

    row = catalog.frame("A", Timeframe.D1).row(0)
    assert row[1:] == (0.00002853, 2.865e-05, 0.000028, 28.5300000000000011e-6, 1500.0)


def test_a_missing_volume_stays_missing(catalog: Catalog) -> None:
    data = stamped(["2020-01-06", "2020-01-07"], ("1", "2", "0.5", "1.5", ""))

    import_csv(catalog, data, name="x.csv", symbol="A")

    assert catalog.frame("A", Timeframe.D1)["volume"].null_count() == 2
    assert np.isnan(catalog.bars("A", Timeframe.W1).volume).all()


# Where it cannot be written -------------------------------------------------------------------


def test_a_file_that_is_not_there_is_not_found(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot be opened"):
        import_csv(catalog, tmp_path / "none.csv", name="none.csv", symbol="A")


def test_a_lake_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")

    with pytest.raises(Unavailable, match="the lake cannot be written"):
        import_csv(Catalog(tmp_path / "lake"), days(date(2020, 1, 1), 5), name="x.csv", symbol="A")


def test_files_laid_by_others_are_not_written_over(catalog: Catalog, tmp_path: Path) -> None:
    other = Catalog(tmp_path / "other")
    import_csv(other, days(date(2020, 1, 1), 5), name="x.csv", symbol="A")
    folder = catalog.root / "ohlcv/1d/symbol=A/year=2020"
    folder.mkdir(parents=True)
    original = (other.root / "ohlcv/1d/symbol=A/year=2020/A_2020.parquet").read_bytes()
    (folder / "A_2020.parquet").write_bytes(original)

    with pytest.raises(Conflict, match="not imported"):
        import_csv(catalog, days(date(2020, 1, 1), 9), name="x.csv", symbol="A")

    assert (folder / "A_2020.parquet").read_bytes() == original


def test_a_gzip_bomb_is_stopped_at_the_limit(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.catalog import source

    monkeypatch.setattr(source, "MAX_BYTES", 3_000_000)
    bomb = gzip.compress(b"0" * 50_000_000)

    with pytest.raises(DataProblem, match="inflates to more than 3 MB"):
        import_csv(catalog, bomb, name="x.csv.gz", symbol="A")


def test_a_file_above_the_limit_is_refused_unread(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.catalog import source

    monkeypatch.setattr(source, "MAX_BYTES", 1_000)
    path = tmp_path / "big.csv"
    path.write_bytes(b"x" * 1_001)

    with pytest.raises(DataProblem, match="larger than"):
        import_csv(catalog, path, name="big.csv", symbol="A")


def test_more_lines_than_the_limit_are_refused(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.catalog import source

    monkeypatch.setattr(source, "MAX_LINES", 20)

    with pytest.raises(DataProblem, match="more than 20 lines"):
        import_csv(catalog, days(date(2020, 1, 1), 30), name="x.csv", symbol="A")
