"""What a worker of a Dask cluster calls: one shard of a study, done by a child like any other run.

The machine has settings of its own. They say where it sees the data folder that all machines share;
the child reads prices and the code of the strategy there, and has the limits of a job.
"""

from __future__ import annotations

import atexit
import json
import tempfile
import threading
from functools import cache
from pathlib import Path

from core.bootstrap.kernels import kernel_cache
from core.bootstrap.wiring import WORKER, nursery_of
from core.errors import Cancelled, StrategyFailed, Unavailable
from core.jobs.cluster import is_wanted
from core.jobs.limits import Limits
from core.jobs.nursery import Died, Nursery
from core.jobs.wire import Ask, Message
from core.services.answers import error_from_json
from core.settings import Settings

ENTRY = "core.bootstrap.shards:compute"
_opening = threading.Lock()


def compute(request: str, number: int, of: int) -> bytes:
    """Do one shard.

    Args:
        request: What `core.services.shards` asks for, as JSON.
        number: Of the shard.
        of: How many there are.

    Returns:
        Its chunks, see `core.services.chunks`.

    Raises:
        Cancelled: nobody waits for it any more.
        StrategyFailed: its process died.
        Unavailable: this machine cannot do it, and why.
    """
    asked = json.loads(request)
    with _opening:
        settings, nursery = _opened()
    code = settings.snapshots_dir / Path(asked["code"]).name
    if not code.is_dir():
        raise Unavailable(
            f"the code of {asked['id']} is not in {settings.snapshots_dir}",
            hint="Set WORKBENCH_DATA_DIR to the data folder that all machines share",
        )
    limits = Limits(
        memory_mb=settings.job_memory_mb,
        cpu_seconds=settings.job_cpu_seconds,
        output_mb=settings.job_output_mb,
    )
    with tempfile.TemporaryDirectory(prefix="workbench-shard-") as folder:
        file = Path(folder) / "chunks"
        config = {"lake": str(settings.lake_dir), "confined": True}
        child = nursery.spawn(f"{WORKER}:open_worker", config, limits)
        try:
            child.take(
                asked | {"op": "shard", "share": [number, of], "code": str(code), "file": str(file)}
            )
            answer = child.answer(_hear, settings.job_wall_seconds)
        except Died as died:
            raise StrategyFailed(died.death.message) from None
        finally:
            child.close()
        if "error" in answer:
            raise Unavailable(error_from_json(answer["error"]).message)
        return file.read_bytes()


def _hear(_question: Message, _ask: Ask) -> Message:
    if not is_wanted():
        raise Cancelled("nobody waits for this shard any more")
    return {}


@cache
def _opened() -> tuple[Settings, Nursery]:
    settings = Settings.load()
    kernels = str(kernel_cache(settings.cache_dir))
    # The data folder may be far away.
    near = Path(tempfile.gettempdir())
    nursery = nursery_of(settings, kernels, "core.services.shards", folder=near)
    atexit.register(nursery.close)
    nursery.start()
    return settings, nursery
