"""Wiring: cheap to import, private where it must be, careful with records that are there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core.bootstrap import build
from core.bootstrap.kernels import IN_USE, VARIABLE, kernel_cache, remove_unused
from core.errors import Unavailable
from core.store import migrate
from tests.laboratory import settings_in

ROOT = Path(__file__).resolve().parents[3]


def test_importing_it_brings_nothing_heavy_along():
    heavy = "{'numba', 'polars', 'duckdb', 'sqlalchemy', 'pydantic', 'streamlit', 'fastapi'}"
    code = f"import sys, core.bootstrap; print(sorted({heavy} & set(sys.modules)))"

    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "[]"


def test_the_door_of_a_server_never_loads_the_engine(tmp_path):
    code = (
        "import sys; from pathlib import Path; from core.bootstrap import build\n"
        "from tests.laboratory import settings_in\n"
        f"with build(settings_in(Path({str(tmp_path)!r})), executor='child') as services:\n"
        "    services.backtests.list(); services.market.symbols(); services.system.health()\n"
        "print('numba' in sys.modules)"
    )

    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "False"


@pytest.mark.parametrize("is_there", [True, False])
def test_an_absent_or_empty_file_of_records_is_filled(tmp_path, is_there):
    settings = settings_in(tmp_path)
    if is_there:
        settings.data_dir.mkdir(parents=True)
        (settings.data_dir / "workbench.db").touch()

    with build(settings) as services:
        assert services.backtests.list().total == 0
    assert migrate.current(settings.database_url) == migrate.head()


def test_kernels_are_kept_in_a_private_folder(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)

    folder = kernel_cache(tmp_path)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert kernel_cache(tmp_path) == folder


def test_kernels_others_could_have_written_are_thrown_away(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    folder = kernel_cache(tmp_path)
    (folder / "kernel.nbi").write_bytes(b"poison")
    folder.chmod(0o777)

    again = kernel_cache(tmp_path)

    assert list(again.iterdir()) == []
    assert stat.S_IMODE(again.stat().st_mode) == 0o700


def test_kernels_lie_below_the_folder_named_by_the_user_one_for_each_state_of_the_code(
    tmp_path, monkeypatch
):
    monkeypatch.delenv(VARIABLE, raising=False)
    name = kernel_cache(tmp_path).name
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))

    assert kernel_cache(tmp_path) == tmp_path / "mine" / name
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine" / name))  # what a child is given
    assert kernel_cache(tmp_path) == tmp_path / "mine" / name


@pytest.mark.parametrize("given", [None, "mine"])
def test_runs_of_a_command_line_use_that_very_folder(tmp_path, given):
    """A kernel of older code, though its own file is the same, must not be found."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop(VARIABLE, None)
    if given:
        environment[VARIABLE] = str(tmp_path / given)
    code = (
        "from pathlib import Path\n"
        "from core.bootstrap.kernels import kernel_cache\n"
        "from core.bootstrap.wiring import _worker_here\n"
        f"folder = kernel_cache(Path({str(tmp_path)!r}))\n"
        "_worker_here({'lake': '.', 'confined': False}, str(folder))\n"
        "import numba; print(Path(numba.config.CACHE_DIR) == folder)"
    )

    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert shown.stdout.strip() == "True"


OLD = "0123456789ab"
HOLD = """
import sys
from pathlib import Path
from core.bootstrap import kernels
folder = Path(sys.argv[1])
kernels._hold(folder)
folder.mkdir(exist_ok=True)
print("held", flush=True)
sys.stdin.read()
"""


def kernels_of(folder: Path, name: str, days: float | None) -> Path:
    """Lay compiled kernels of other code; None: by a version that left no mark."""
    kept = folder / "kernels" / name
    (kept / "engine_1").mkdir(parents=True)
    (kept / "engine_1" / "kernels.run-1.nbi").write_bytes(b"compiled")
    if days is not None:
        mark = kept.with_name(f"{name}{IN_USE}")
        mark.touch()
        os.utime(mark, (time.time() - days * 86_400,) * 2)
    return kept


def another_version(kept: Path) -> subprocess.Popen[str]:
    """A process that runs on these kernels until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(kept)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline().strip() == "held"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_kernels_nobody_used_for_a_month_are_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    mine = kernel_cache(tmp_path)
    (mine / "mine.nbi").touch()
    mark = mine.with_name(f"{mine.name}{IN_USE}")
    os.utime(mark, (0, 0))
    old, new = kernels_of(tmp_path, OLD, 31), kernels_of(tmp_path, "ba9876543210", 29)
    strange = tmp_path / "kernels" / "notes"
    strange.mkdir()
    os.utime(strange, (0, 0))
    (tmp_path / "kernels" / "abcabcabcabc").symlink_to(strange)

    assert list(remove_unused(mine)) == [old]
    assert list(remove_unused(mine)) == []

    there = {path.name for path in mine.parent.iterdir()}
    marks = {f"{mine.name}{IN_USE}", f"{new.name}{IN_USE}"}
    assert there == {mine.name, new.name, "notes", "abcabcabcabc", *marks}
    assert (mine / "mine.nbi").exists()
    assert mark.stat().st_mtime > 0, "stamped anew"


def test_kernels_of_a_version_that_left_no_mark_are_kept_a_month_from_when_they_are_seen(
    tmp_path, monkeypatch
):
    monkeypatch.delenv(VARIABLE, raising=False)
    mine, old = kernel_cache(tmp_path), kernels_of(tmp_path, OLD, None)

    assert list(remove_unused(mine)) == []
    os.utime(old.with_name(f"{OLD}{IN_USE}"), (0, 0))
    assert list(remove_unused(mine)) == [old]


def test_kernels_another_version_runs_on_are_kept_however_long_it_has_run(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    mine, old = kernel_cache(tmp_path), kernels_of(tmp_path, OLD, 31)

    process = another_version(old)
    try:
        os.utime(old.with_name(f"{OLD}{IN_USE}"), (0, 0))
        assert list(remove_unused(mine)) == []
    finally:
        end(process)  # a lock ends with its process, however that ends

    assert list(remove_unused(mine)) == [old]


def test_who_comes_while_kernels_are_removed_makes_the_folder_anew(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    mine, old = kernel_cache(tmp_path), kernels_of(tmp_path, OLD, 31)
    came: list[subprocess.Popen[str]] = []
    newcomer = threading.Thread(target=lambda: came.append(another_version(old)))
    really_rename = Path.rename

    def rename(self, target):
        newcomer.start()  # between the lock and the removal another version is started
        time.sleep(1.0)
        assert not came, "it must wait"
        return really_rename(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    assert list(remove_unused(mine)) == [old]
    monkeypatch.setattr(Path, "rename", really_rename)
    newcomer.join(30)

    try:
        assert old.is_dir()
        os.utime(old.with_name(f"{OLD}{IN_USE}"), (0, 0))
        assert list(remove_unused(mine)) == []
    finally:
        end(came[0])


def test_what_somebody_was_killed_over_is_removed_later(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    mine = kernel_cache(tmp_path)
    kernels_of(tmp_path, f"{OLD}-leaving-0a0b0c0d", None)

    assert list(remove_unused(mine)) == []

    assert not list(mine.parent.glob("*leaving*"))


def test_a_server_removes_old_kernels_when_it_starts(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    settings = settings_in(tmp_path)
    old = kernels_of(settings.cache_dir, OLD, 31)

    with build(settings, executor="child"):
        assert not old.exists()


def test_a_data_folder_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    taken = tmp_path / "taken"
    taken.write_text("a file, so nothing can lie below it, not even for the superuser")

    with pytest.raises(Unavailable, match="cannot be made"):
        build(settings_in(taken))


def test_records_of_another_schema_are_left_alone(tmp_path, monkeypatch):
    settings = settings_in(tmp_path)
    with build(settings):
        pass
    monkeypatch.setattr(migrate, "head", lambda: "9999")

    with pytest.raises(Unavailable, match="are at schema") as caught:
        build(settings)

    assert "workbench migrate" in str(caught.value.hint)
