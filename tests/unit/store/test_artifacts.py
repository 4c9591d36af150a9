"""Files of results: same bytes everywhere, whole or absent, believed only when the hash agrees."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from core.domain.run import ARTIFACTS
from core.errors import DataProblem, InvalidInput, Unavailable
from core.store import ArtifactStore
from core.store.artifacts import _sealed
from tests.contract.samples import key, some_frames

KEY = key("a result")
FILES = [f"{name}.parquet" for name in sorted(ARTIFACTS)]
ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def artifacts(tmp_path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def leftovers(artifacts: ArtifactStore) -> list[Path]:
    return list((artifacts.root / ".partial").glob("*"))


def replaced(frames: dict, **changes) -> dict:
    return {**frames, **changes}


class TestPublish:
    def test_what_is_published_is_read_back(self, artifacts):
        frames = some_frames(1)

        artifacts.publish(KEY, frames)

        for name, frame in frames.items():
            assert_frame_equal(artifacts.read(KEY, name), frame)
            assert_frame_equal(artifacts.read(KEY, f"{name}.parquet"), frame)

    def test_files_lie_under_their_key_and_carry_the_hashes_returned(self, artifacts):
        hashes = artifacts.publish(KEY, some_frames(1))

        folder = artifacts.root / KEY[:2] / KEY
        assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "manifest.json"])
        assert hashes == {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES
        }
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == hashes
        assert manifest["run_key"] == KEY
        assert artifacts.path(KEY, "equity") == folder / "equity.parquet"
        assert artifacts.verify(KEY) == hashes
        assert leftovers(artifacts) == []

    def test_frames_without_rows_are_kept_too(self, artifacts):
        frames = some_frames(1, rows=0)

        artifacts.publish(KEY, frames)

        assert_frame_equal(artifacts.read(KEY, "trades"), frames["trades"])

    def test_publishing_again_touches_nothing(self, artifacts):
        first = artifacts.publish(KEY, some_frames(1))
        stamps = [artifacts.path(KEY, name).stat() for name in FILES]

        again = artifacts.publish(KEY, some_frames(1))

        assert again == first
        assert [artifacts.path(KEY, name).stat().st_ino for name in FILES] == [
            stamp.st_ino for stamp in stamps
        ]

    def test_what_is_published_first_stays(self, artifacts):
        first = artifacts.publish(KEY, some_frames(1))

        assert artifacts.publish(KEY, some_frames(2)) == first
        assert_frame_equal(artifacts.read(KEY, "equity"), some_frames(1)["equity"])

    def test_many_publishers_of_one_key_agree(self, artifacts):
        frames = some_frames(1)
        for number in range(10):
            with ThreadPoolExecutor(8) as threads:
                found = list(
                    threads.map(
                        lambda _, number=number: artifacts.publish(key(number), frames), range(8)
                    )
                )
            assert found == [found[0]] * 8

        assert leftovers(artifacts) == []

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda f: {k: v for k, v in f.items() if k != "fills"}, "frames are equity"),
            (lambda f: replaced(f, extra=f["fills"]), "frames are equity, extra"),
            (lambda f: replaced(f, fills=f["fills"].drop("fee")), "fee is missing"),
            (
                lambda f: replaced(f, fills=f["fills"].with_columns(fee=pl.lit(1))),
                "fee is Int32, not Float64",
            ),
            (
                lambda f: replaced(
                    f, fills=f["fills"].with_columns(pl.col("timestamp").dt.replace_time_zone(None))
                ),
                "timestamp is Datetime",
            ),
            (
                lambda f: replaced(f, fills=f["fills"].with_columns(note=pl.lit(1))),
                "note is unknown",
            ),
            (
                lambda f: replaced(f, fills=f["fills"].select(reversed(f["fills"].columns))),
                "another order",
            ),
            (
                lambda f: replaced(f, equity=f["equity"].with_columns(equity=pl.lit(float("nan")))),
                "column equity of equity holds NaN",
            ),
            (
                lambda f: replaced(
                    f, positions=f["positions"].with_columns(cash=pl.lit(float("-inf")))
                ),
                "column cash of positions holds NaN or infinity",
            ),
        ],
    )
    def test_frames_that_are_not_those_of_a_run_are_refused(self, artifacts, change, message):
        with pytest.raises(DataProblem, match=message):
            artifacts.publish(KEY, change(some_frames(1)))

        assert not artifacts.root.exists()

    @pytest.mark.parametrize(
        "bad", ["", "..", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"]
    )
    def test_a_malformed_key_never_becomes_a_path(self, artifacts, tmp_path, bad):
        for call in (
            lambda: artifacts.publish(bad, some_frames(1)),
            lambda: artifacts.adopt(bad, tmp_path),
            lambda: artifacts.read(bad, "equity"),
            lambda: artifacts.path(bad, "equity"),
            lambda: artifacts.verify(bad),
        ):
            with pytest.raises(InvalidInput, match="malformed"):
                call()

    def test_an_unknown_artifact_or_column_is_refused_with_those_there_are(self, artifacts):
        artifacts.publish(KEY, some_frames(1))

        with pytest.raises(InvalidInput, match=r"'\.\./manifest\.json' is not known"):
            artifacts.path(KEY, "../manifest.json")
        with pytest.raises(InvalidInput, match="no column 'alpha'"):
            artifacts.read(KEY, "equity", ["alpha"])

    def test_some_columns_can_be_read_alone_in_the_order_asked(self, artifacts):
        artifacts.publish(KEY, some_frames(1))

        found = artifacts.read(KEY, "equity", ["equity", "timestamp"])

        assert_frame_equal(found, some_frames(1)["equity"].select("equity", "timestamp"))


class TestSameBytes:
    def test_any_process_with_any_number_of_threads_writes_the_same_bytes(self, tmp_path):
        """Two row groups and a bit, so that threads have something to share."""
        program = """
import sys
from pathlib import Path
import polars as pl
from core.store import ArtifactStore
from core.store.artifacts import _sealed
from tests.contract.samples import some_frames
frames = {name: pl.concat([frame] * 700) for name, frame in some_frames(3, rows=200).items()}
folder = Path(sys.argv[1])
print(pl.thread_pool_size(), sorted(ArtifactStore(folder).write_scratch(folder, frames).items()))
"""
        found = {}
        for threads in ("1", "2", "7"):
            done = subprocess.run(
                [sys.executable, "-c", program, str(tmp_path / threads)],
                env=os.environ | {"POLARS_MAX_THREADS": threads, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                check=True,
            )
            size, _, hashes = done.stdout.partition(" ")
            assert size == threads
            found[threads] = hashes

        assert len(set(found.values())) == 1

    @settings(max_examples=60)
    @given(cuts=st.lists(st.integers(0, 300), max_size=6), pad=st.integers(0, 50))
    def test_the_history_of_a_frame_does_not_show(self, tmp_path_factory, cuts, pad):
        """Equal rows built from slices, in chunks, or with other memory behind their nulls."""
        artifacts = ArtifactStore(tmp_path_factory.getbasetemp() / "history")
        whole = some_frames(4, rows=300)
        expected = artifacts.publish(key("history"), whole)
        edges = sorted({0, 300, *cuts})

        rebuilt = {}
        for name, frame in whole.items():
            padded = pl.concat([frame.head(pad), frame])[pad:]
            pieces = [padded[a:b] for a, b in itertools.pairwise(edges)]
            joined = pl.concat(pieces, rechunk=False)
            floats = [column for column, kind in frame.schema.items() if kind == pl.Float64]
            rebuilt[name] = joined.with_columns(
                pl.when(pl.col(column).is_not_null()).then(column).alias(column)
                for column in floats
            )

        folder = tmp_path_factory.mktemp("scratch")
        assert artifacts.write_scratch(folder, rebuilt) == expected


class TestDamage:
    def test_one_flipped_byte_anywhere_is_refused(self, artifacts):
        """Six hundred flips over the four files and the manifest."""
        artifacts.publish(KEY, some_frames(1))
        folder = artifacts.path(KEY, "equity").parent
        flips = 0
        for path in sorted(folder.iterdir()):
            whole = path.read_bytes()
            for place in range(0, len(whole), max(1, len(whole) // 120)):
                damaged = bytearray(whole)
                damaged[place] ^= 1 << (place % 8)
                path.write_bytes(damaged)
                name = "equity" if path.suffix == ".json" else path.stem
                with pytest.raises(DataProblem) as caught:
                    ArtifactStore(artifacts.root).read(KEY, name)
                assert path.name in caught.value.message
                assert caught.value.hint == "recompute with `workbench reproduce`"
                flips += 1
            path.write_bytes(whole)

        assert flips >= 600
        assert artifacts.verify(KEY)

    def test_a_file_that_was_good_before_is_checked_again_when_it_changed(self, artifacts):
        artifacts.publish(KEY, some_frames(1))
        artifacts.read(KEY, "equity")
        path = artifacts.path(KEY, "equity")
        whole = path.read_bytes()

        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

        with pytest.raises(DataProblem, match="damaged"):
            artifacts.read(KEY, "equity")

    @pytest.mark.parametrize("name", [*FILES, "manifest.json"])
    @pytest.mark.parametrize("harm", ["gone", "empty", "cut", "folder", "link"])
    def test_files_gone_cut_or_swapped_are_refused(self, artifacts, tmp_path, name, harm):
        artifacts.publish(KEY, some_frames(1))
        path = artifacts.path(KEY, "equity").with_name(name)
        whole = path.read_bytes()

        path.unlink()
        if harm == "empty":
            path.touch()
        elif harm == "cut":
            path.write_bytes(whole[: len(whole) // 2])
        elif harm == "folder":
            path.mkdir()
        elif harm == "link":
            elsewhere = tmp_path / "elsewhere"
            elsewhere.write_bytes(whole)
            path.symlink_to(elsewhere)

        with pytest.raises(DataProblem, match=r"missing|damaged|not a file"):
            artifacts.read(KEY, "equity" if name == "manifest.json" else name)
        with pytest.raises(DataProblem):
            artifacts.verify(KEY)

    def test_the_files_of_another_result_are_refused(self, artifacts):
        artifacts.publish(KEY, some_frames(1))
        artifacts.publish(key(2), some_frames(2))
        folder = artifacts.path(KEY, "equity").parent
        shutil.rmtree(folder)
        shutil.copytree(artifacts.path(key(2), "equity").parent, folder)

        with pytest.raises(DataProblem, match=r"manifest .* is damaged"):
            artifacts.read(KEY, "equity")

    def test_a_file_other_than_recorded_is_refused(self, artifacts):
        hashes = artifacts.publish(KEY, some_frames(1))

        assert artifacts.read(KEY, "equity", sha256=hashes["equity.parquet"]).height == 40
        with pytest.raises(DataProblem, match="another file than recorded"):
            artifacts.read(KEY, "equity", sha256=key("other"))

    def test_what_was_never_published_is_missing(self, artifacts):
        with pytest.raises(DataProblem, match=r"equity\.parquet is missing"):
            artifacts.read(KEY, "equity")
        with pytest.raises(DataProblem, match="missing or incomplete"):
            artifacts.manifest(KEY)

    def test_publishing_again_heals(self, artifacts):
        hashes = artifacts.publish(KEY, some_frames(1))
        path = artifacts.path(KEY, "trades")
        path.write_bytes(b"PAR1" + path.read_bytes())

        assert artifacts.publish(KEY, some_frames(1)) == hashes
        assert_frame_equal(artifacts.read(KEY, "trades"), some_frames(1)["trades"])
        assert leftovers(artifacts) == []


class TestAdopt:
    def test_a_scratch_folder_is_published_with_the_same_bytes(self, artifacts, tmp_path):
        written = artifacts.write_scratch(tmp_path / "scratch", some_frames(1))

        adopted = artifacts.adopt(KEY, tmp_path / "scratch")
        direct = artifacts.publish(key("direct"), some_frames(1))

        assert written == adopted == direct
        assert_frame_equal(artifacts.read(KEY, "fills"), some_frames(1)["fills"])

    def test_later_writes_of_the_child_do_not_reach_what_was_published(self, artifacts, tmp_path):
        artifacts.write_scratch(tmp_path, some_frames(1))
        hashes = artifacts.adopt(KEY, tmp_path)

        for path in tmp_path.glob("*.parquet"):
            path.write_bytes(b"late")

        assert artifacts.verify(KEY) == hashes

    @pytest.mark.parametrize(
        "harm", ["manifest gone", "file gone", "flip", "link", "schema", "format", "another key"]
    )
    def test_an_incomplete_or_changed_folder_is_refused(self, artifacts, tmp_path, harm):
        scratch = tmp_path / "scratch"
        artifacts.write_scratch(scratch, some_frames(1))
        target = scratch / "trades.parquet"
        whole = target.read_bytes()
        if harm == "manifest gone":
            (scratch / "manifest.json").unlink()
        elif harm == "file gone":
            target.unlink()
        elif harm == "flip":
            target.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
        elif harm == "link":
            (tmp_path / "real").write_bytes(whole)
            target.unlink()
            target.symlink_to(tmp_path / "real")
        else:
            document = json.loads((scratch / "manifest.json").read_text())
            del document["seal"]
            if harm == "format":
                document["format"] = 2
            elif harm == "another key":
                document["run_key"] = key("another")
            else:
                pl.DataFrame({"a": [1]}).write_parquet(target)
                content = target.read_bytes()
                document["files"]["trades.parquet"] = {
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
            (scratch / "manifest.json").write_bytes(_sealed(document))

        with pytest.raises(DataProblem):
            artifacts.adopt(KEY, scratch)

        assert not artifacts.root.exists()


class TestRoom:
    def test_the_sweep_takes_old_leftovers_only(self, artifacts):
        hashes = artifacts.publish(KEY, some_frames(1))
        now = datetime(2026, 4, 1, tzinfo=UTC)
        for name, age in (("old", timedelta(hours=1, seconds=1)), ("new", timedelta(minutes=59))):
            folder = artifacts.root / ".partial" / name
            folder.mkdir()
            (folder / "equity.parquet").write_bytes(b"half")
            moment = (now - age).timestamp()
            os.utime(folder, (moment, moment))

        assert artifacts.sweep(now=now) == 1
        assert [path.name for path in leftovers(artifacts)] == ["new"]
        assert artifacts.verify(KEY) == hashes

    def test_sweeping_a_store_that_is_not_there_does_nothing(self, artifacts):
        assert artifacts.sweep(now=datetime(2026, 4, 1, tzinfo=UTC)) == 0

    def test_a_folder_that_is_a_file_says_so(self, tmp_path):
        (tmp_path / "artifacts").write_text("not a folder")
        artifacts = ArtifactStore(tmp_path / "artifacts")

        with pytest.raises(Unavailable, match=r"artifacts.*(exists|not a directory)"):
            artifacts.publish(KEY, some_frames(1))

    def test_a_disk_that_takes_no_more_leaves_nothing_behind(self, artifacts):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(Unavailable, match="file too large"):
                artifacts.publish(KEY, some_frames(1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        assert leftovers(artifacts) == []
        assert artifacts.publish(KEY, some_frames(1)) == artifacts.verify(KEY)

    @pytest.mark.parametrize(
        ("total", "free", "refused"),
        [
            (10**12, 10**9 - 1, True),
            (10**12, 10**9, False),
            (10**9, 4 * 10**7, True),
            (10**9, 6 * 10**7, False),
        ],
    )
    def test_the_reserve_is_a_gigabyte_or_a_twentieth_of_a_small_disk(
        self, artifacts, monkeypatch, total, free, refused
    ):
        usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil gives it
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(total, total - free, free))

        if refused:
            with pytest.raises(Unavailable, match=r"only [\d.,]+ MB are free"):
                artifacts.refuse_when_full()
        else:
            artifacts.refuse_when_full()
