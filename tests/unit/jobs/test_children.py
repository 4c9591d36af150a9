"""A child answers, or its end is understood; nothing it does reaches anybody else."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import Unavailable
from core.jobs.limits import Limits
from core.jobs.nursery import Died, Nursery
from tests.unit.jobs.conftest import HANDLERS, is_alive

HERE = Path(__file__).parent


def death(do, deed, **request):
    with pytest.raises(Died) as caught:
        do(deed, **request)
    return caught.value.death


def eventually(claim, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.02)
    return claim()


def test_a_child_answers_with_its_config(do):
    answer = do("echo", words=["ä", 1.5, None])

    assert answer["said"] == ["ä", 1.5, None]
    assert answer["config"] == {"who": "test"}


def test_a_child_is_another_process_in_a_group_of_its_own(do):
    first, second = do("echo"), do("echo")

    assert len({os.getpid(), first["pid"], second["pid"]}) == 3
    assert first["group"] == first["pid"]


def test_numbers_arrive_bit_for_bit(do):
    numbers = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0]

    assert [number.hex() for number in do("echo", words=numbers)["said"]] == [
        number.hex() for number in numbers
    ]


def test_a_child_may_ask_back(do):
    answer = do(
        "question", numbers=[1, 2, 3], reply=lambda asked, _: {"double": 2 * asked["number"]}
    )

    assert answer["told"] == [2, 4, 6]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGSEGV, "crashed: segmentation fault (signal 11)"),
        (signal.SIGABRT, "crashed: aborted (signal 6)"),
        (signal.SIGUSR2, "crashed: SIGUSR2 (signal 12)"),
    ],
)
def test_death_by_signal_is_named(do, number, said):
    found = death(do, "die", signal=int(number))

    assert (found.cause, found.message) == ("signal", said)


def test_a_crash_says_where_it_was(do):
    file, line = death(do, "segfault").place(HERE)

    assert file == "handlers.py"
    assert "string_at(0)" in (HERE / file).read_text().splitlines()[line - 1]


@pytest.mark.parametrize("code", [0, 1, 7])
def test_leaving_without_an_answer_is_no_success(do, code):
    found = death(do, "leave", code=code)

    assert found.cause == "no_result"
    assert f"exit code {code}" in found.message


@pytest.mark.parametrize("deed", ["loop", "sleep"])
def test_what_takes_too_long_is_ended_and_says_where(do, deed):
    found = death(do, deed, seconds=1.0)

    assert found.cause == "time"
    assert found.message == "took longer than 1 s and was stopped"
    assert found.place(HERE)[0] == "handlers.py"


def test_what_ignores_every_signal_is_ended_too(do):
    assert death(do, "ignore_signals", seconds=1.0).cause == "time"


def test_processor_time_is_limited_and_says_where(do):
    found = death(do, "loop", limits=Limits(cpu_seconds=1))

    assert found.cause == "cpu"
    assert found.place(HERE)[0] == "handlers.py"


def test_processor_time_is_limited_for_who_ignores_the_warning(do):
    assert death(do, "ignore_signals", limits=Limits(cpu_seconds=1)).cause == "cpu"


def test_memory_is_limited(do):
    found = death(do, "take_memory", megabytes=16, limits=Limits(memory_mb=256))

    assert found.cause == "memory"
    assert found.message == "needed more than 256 MB of memory"


@pytest.mark.skipif(sys.platform != "linux", reason="sizes of other processes are read in /proc")
def test_memory_the_kernel_does_not_count_as_data_is_limited_too(do):
    assert death(do, "shared_memory", limits=Limits(memory_mb=256)).cause == "memory"


def test_a_flood_of_output_blocks_nobody_and_only_its_end_is_kept(do):
    found = death(do, "print_much", megabytes=64)

    assert found.output.endswith("the end")
    assert len(found.output) <= 1 << 14


def test_descriptors_are_limited(do):
    answer = do("open_files", limits=Limits(open_files=64))

    assert answer["errno"] == errno.EMFILE
    assert answer["opened"] < 64


def test_the_size_of_a_file_is_limited(do, tmp_path):
    answer = do("write_big", path=str(tmp_path / "big"), limits=Limits(output_mb=2))

    assert (answer["errno"], answer["size"]) == (errno.EFBIG, 2 << 20)


def test_helpers_a_child_left_behind_are_ended_with_it(nursery):
    child = nursery.spawn(f"{HANDLERS}:open_deeds", {}, Limits())
    child.listen(60)
    child.take({"deed": "leave_a_helper"})
    helper = child.answer(None, 60)["helper"]
    assert is_alive(helper)

    child.close()

    assert eventually(lambda: not is_alive(helper))


def test_children_see_no_secret_and_the_same_world(do, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", "postgresql://me:secret@host/db")

    seen = do("environment")

    assert "secret" not in str(seen["variables"])
    assert seen["variables"]["TZ"] == "UTC"
    assert seen["variables"]["PYTHONHASHSEED"] == "0"


def test_nothing_one_child_changes_reaches_the_next(do):
    before = do("state")

    do("change_everything")

    assert do("state") == before


def test_the_servers_main_script_is_not_run_again_in_children(tmp_path):
    script = tmp_path / "server.py"
    script.write_text(
        "print('main runs', flush=True)\n"
        "from pathlib import Path\n"
        "from core.jobs.limits import Limits\n"
        "from core.jobs.nursery import Nursery\n"
        f"with Nursery(preload=['{HANDLERS}'], folder=Path({str(tmp_path)!r})) as nursery:\n"
        f"    child = nursery.spawn('{HANDLERS}:open_deeds', {{}}, Limits())\n"
        "    child.listen(60)\n"
        "    child.take({'deed': 'echo', 'words': 'hello'})\n"
        "    print(child.answer(None, 60)['said'])\n"
    )
    root = Path(__file__).resolve().parents[3]

    ran = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert ran.stdout.splitlines() == ["main runs", "hello"]


def test_children_end_when_the_keeper_is_killed(tmp_path):
    with Nursery(preload=[HANDLERS], folder=tmp_path) as nursery:
        child = nursery.spawn(f"{HANDLERS}:open_deeds", {}, Limits())
        child.listen(60)
        child.tell({"deed": "loop"})
        keeper = nursery._keeper._process.pid
        os.kill(keeper, signal.SIGKILL)

        with pytest.raises(Died) as caught:
            child.listen(60)

        assert caught.value.death.cause == "stopped"
        assert eventually(lambda: not is_alive(child.pid))


def test_a_killed_keeper_is_replaced(tmp_path):
    with Nursery(preload=[HANDLERS], folder=tmp_path) as nursery:
        nursery.spawn(f"{HANDLERS}:open_deeds", {}, Limits()).close()
        os.kill(nursery._keeper._process.pid, signal.SIGKILL)
        assert eventually(lambda: nursery._keeper.is_gone)

        child = nursery.spawn(f"{HANDLERS}:open_deeds", {}, Limits())
        child.listen(60)

        child.take({"deed": "echo", "words": 1})
        assert child.answer(None, 60)["said"] == 1


def test_closing_ends_every_child(tmp_path):
    with Nursery(preload=[HANDLERS], folder=tmp_path) as nursery:
        children = [nursery.spawn(f"{HANDLERS}:open_deeds", {}, Limits()) for _ in range(3)]
        for child in children:
            child.listen(60)
            child.tell({"deed": "loop"})

    assert eventually(lambda: not any(is_alive(child.pid) for child in children))
    with pytest.raises(Unavailable):
        nursery.spawn(f"{HANDLERS}:open_deeds", {}, Limits())


def test_a_keeper_that_cannot_load_says_so(tmp_path, capfd):
    with (
        Nursery(preload=["no_such_module_at_all"], folder=tmp_path) as nursery,
        pytest.raises(Unavailable, match="could not be started"),
    ):
        nursery.spawn(f"{HANDLERS}:open_deeds", {}, Limits())
    assert "no_such_module_at_all" in capfd.readouterr().err


def test_the_next_child_does_not_keep_the_last_ones_connection(nursery):
    first = nursery.spawn(f"{HANDLERS}:open_deeds", {}, Limits())
    second = nursery.spawn(f"{HANDLERS}:open_deeds", {}, Limits())
    for child in (first, second):
        child.listen(60)

    first._connection.close()

    assert eventually(lambda: not is_alive(first.pid))
    second.close()
