"""A nursery whose children do the deeds of `handlers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.jobs.limits import Limits
from core.jobs.nursery import Nursery

HANDLERS = "tests.unit.jobs.handlers"
SECONDS = 60.0


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    with Nursery(preload=[HANDLERS, "numpy"], folder=tmp_path_factory.mktemp("nursery")) as started:
        yield started


@pytest.fixture
def do(nursery):
    """Have one deed done by a child of its own; give its answer or raise `Died`."""
    children = []

    def doing(deed, *, reply=None, seconds=SECONDS, limits=None, **request):
        child = nursery.spawn(f"{HANDLERS}:open_deeds", {"who": "test"}, limits or Limits())
        children.append(child)
        assert child.listen(SECONDS) == {"open": True}
        child.take({"deed": deed, **request})
        return child.answer(reply, seconds)

    yield doing
    for child in children:
        child.close()


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"
