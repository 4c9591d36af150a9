"""What is done where strategy code may run: in a runner's child, or inline.

`open_worker` is the runner's entry; it wires the few parts a child needs and nothing that could
write a record. Requests and answers are plain data (`core.jobs.wire`):

    {"op": "run", "spec", "id", "code", "code_hash", "scratch"}
        asks  {"run_key", "data_hashes"}, is told {"go": bool}
        gives {"result"} with its frames in `scratch`, {"skipped": run_key}, or {"error"}
    {"op": "assume", "spec", "until", "options", "data_hashes", "id", "code"}
        gives {"metrics"}, for each of the options some or why there are none, or {"error"}
    {"op": "study", "spec", "id", "code", "code_hash", "scratch", "kept"}
        says  {"progress": {"done", "total", "step"}} now and then, with an "interim" result
              (a ranking, see `core.domain.ranking`) when there is another one
        gives {"key", "findings"} with its tables in `scratch`, or {"error"}
        asks, told that there are `shards` elsewhere, {"shards": {"request", "sets"}}, and then
              {"shards": {}} again and again; is told the files {"arrived", "left", "gone"}
    {"op": "shard", what `core.services.shards` asks for, "share", "code", "file"}
        gives {"file"} with its chunks in it, or {"error"}
    {"op": "check", "id", "code", "code_hash", "params", "engine"}
        gives {"checked"} or {"error"}

The first two say `{"compiling": bool}` when they begin and end to compile, which needs no reply.
An answer is `pristine` when no strategy code has run in this process.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from core.catalog import Catalog
from core.domain.bars import Bars
from core.domain.options import EngineOptions
from core.domain.ranking import Ranking
from core.domain.run import RunError, RunSpec
from core.domain.strategy import Strategy
from core.domain.study import StudySpec
from core.engine.warm import warm_up, warm_up_accounts
from core.errors import DataProblem, WorkbenchError
from core.jobs.confine import confine
from core.jobs.wire import Ask, Handler, Message
from core.registry.load import strategy_class
from core.services import execution, sample
from core.services.answers import error_of, error_to_json, metrics_to_json, result_to_json
from core.services.kernels import has_accounts, has_kernels, note_accounts, note_kernels, told
from core.services.rehearsal import rehearse
from core.store.artifacts import ArtifactStore

PROGRESS_SECONDS = 0.2
MEMORY_HINT = "Use fewer symbols or a shorter period, or raise WORKBENCH_RUN_MEMORY_MB"


def warm() -> None:
    """Prepare, in the process children are forked from, all that needs no thread.

    Kernels are compiled or loaded by one process at a time: a cache half written could crash.
    """
    folder = _kernels()
    with _alone(folder):
        if folder is not None and not has_kernels(folder):
            _compile_elsewhere()
        warm_up()
        if folder is not None:
            note_kernels(folder)
    if folder is not None and has_accounts(folder):
        warm_up_accounts()
    for _ in rehearse():
        pass


def compile_the_rest() -> None:
    """Fill the cache with the kernel of accounts, which takes longer than all others together.

    Whoever comes while another process does this waits for it and loads what it left.
    """
    folder = _kernels()
    if folder is not None and not has_accounts(folder):
        with _alone(folder):
            warm_up_accounts()
            note_accounts(folder)


def _kernels() -> Path | None:
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return None if folder is None else Path(folder)


@contextmanager
def _alone(folder: Path | None) -> Iterator[None]:
    with ExitStack() as stack:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((folder / ".lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile_elsewhere() -> None:
    """Fill the cache in a process of its own: every child would carry the compiler's memory."""
    pid = os.fork()
    if pid == 0:
        try:
            warm_up()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def open_worker(config: Message) -> Handler:
    """Give the handler of a child, or of this process.

    Args:
        config: `lake`: root of the prices. `confined`: whether strategies may write in their
            scratch folder only, which holds for the rest of the process.
    """
    return _Worker(Catalog(Path(config["lake"])), confined=bool(config["confined"]))


class _Throttle:
    """Passes progress on a few times a second, however often it is told; new words at once."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._at = 0.0
        self._words = ""
        self._ranking: Ranking | None = None

    def __call__(self, done: int, total: int, step: str, ranking: Ranking | None = None) -> None:
        now, words = time.monotonic(), step.partition(":")[0]
        if now < self._at + PROGRESS_SECONDS and words == self._words:
            return
        told: Message = {"done": min(done, total), "total": total, "step": step}
        if ranking is not None and ranking.trials and ranking is not self._ranking:
            told["interim"] = ranking.to_data()
        self._at, self._words, self._ranking = now, words, ranking
        self._ask({"progress": told})


class _Worker:
    def __init__(self, catalog: Catalog, *, confined: bool) -> None:
        self._catalog = catalog
        self._confined = confined
        self._operations: Mapping[str, Callable[[Message, Ask], Message]] = {
            "run": self._run,
            "assume": self._assume,
            "study": self._study,
            "shard": self._shard,
            "check": self._check,
        }
        self._pristine = True

    def rehearse(self) -> Iterator[None]:
        """Spend the time until the first request on making it faster."""
        return rehearse()

    def __call__(self, request: Message, ask: Ask) -> Message:
        self._pristine = True
        try:
            answer = self._operations[request["op"]](request, ask)
        except MemoryError:
            words = "needed more memory than a run may use"
            answer = {"error": error_to_json(RunError("memory_limit", words, MEMORY_HINT))}
        except WorkbenchError as error:
            told = error_of(error)
            if isinstance(error.__cause__, MemoryError):
                told = RunError("memory_limit", told.message, MEMORY_HINT)
            answer = {"error": error_to_json(told)}
        return {**answer, "pristine": self._pristine}

    def _run(self, request: Message, ask: Ask) -> Message:
        spec = RunSpec.model_validate_json(request["spec"])
        bars = execution.load_bars(spec, self._catalog)
        benchmark = execution.load_benchmark(spec, bars, self._catalog)
        key = execution.key_of(spec, bars, request["code_hash"], benchmark)
        hashes = execution.data_hashes_of(bars, benchmark)
        told = ask({"run_key": key, "data_hashes": hashes})
        if not told["go"]:
            return {"skipped": key}
        code, scratch = Path(request["code"]), Path(request["scratch"])
        synthetic = self._is_synthetic(spec)
        self._let_go(scratch)
        with strategy_class(code, request["id"]) as strategy:
            self._compile(ask, strategy, bars, [spec.options], spec)
            result = execution.execute(
                spec,
                bars,
                strategy,
                code=code,
                code_hash=request["code_hash"],
                synthetic=synthetic,
                benchmark=benchmark,
            )
        ArtifactStore(scratch.parent).write_scratch(scratch, result.frames)
        return {"result": result_to_json(result)}

    def _assume(self, request: Message, ask: Ask) -> Message:
        spec = RunSpec.model_validate_json(request["spec"])
        # What was imported since comes after what the run saw.
        bars = [
            each.head(int((each.ts <= request["until"]).sum()))
            for each in execution.load_bars(spec, self._catalog)
        ]
        benchmark = execution.load_benchmark(spec, bars, self._catalog)
        if execution.data_hashes_of(bars, benchmark) != request["data_hashes"]:
            raise DataProblem(
                "its prices have changed since", hint="Run it again to see it on those of today"
            )
        code = Path(request["code"])
        rules = [EngineOptions.model_validate_json(rule) for rule in request["options"]]
        finer = next((each.detail for each in rules if each.detail is not None), None)
        if finer is not None and spec.options.detail is None:
            bars = execution.with_detail(spec, bars, finer, self._catalog)
        synthetic = self._is_synthetic(spec)
        self._let_go()
        with strategy_class(code, request["id"]) as strategy:
            self._compile(ask, strategy, bars, rules, spec)
            found = execution.assume(
                spec,
                bars,
                strategy,
                rules,
                code=code,
                synthetic=synthetic,
                benchmark=benchmark,
            )
        return {
            "metrics": [each if isinstance(each, str) else metrics_to_json(each) for each in found]
        }

    def _study(self, request: Message, ask: Ask) -> Message:
        # Imported here: a child that computes one run needs none of it.
        from core.services.conduct import conduct  # noqa: PLC0415
        from core.services.shards import AskedFor, ask_for  # noqa: PLC0415
        from core.store.studies import STUDY, findings_to_json  # noqa: PLC0415

        spec = StudySpec.model_validate_json(request["spec"])
        bars = execution.load_bars(spec.run, self._catalog)
        benchmark = execution.load_benchmark(spec.run, bars, self._catalog)
        code, scratch, kept = (Path(request[name]) for name in ("code", "scratch", "kept"))
        told = _Throttle(ask)
        elsewhere = None
        if request.get("shards"):
            common = ask_for(spec.run, request["id"], code, request["code_hash"])
            elsewhere = AskedFor(ask, common)
        self._let_go(scratch, kept)
        with strategy_class(code, request["id"]) as strategy:
            self._compile(ask, strategy, bars, [spec.run.options], spec.run)
            result = conduct(
                spec,
                bars,
                strategy,
                code=code,
                code_hash=request["code_hash"],
                kept=kept,
                tell=told,
                benchmark=benchmark,
                elsewhere=elsewhere,
            )
        ArtifactStore(scratch.parent, STUDY).write_scratch(scratch, result.frames)
        return {"key": result.key, "findings": findings_to_json(result.findings)}

    def _shard(self, request: Message, ask: Ask) -> Message:
        from core.services import shards  # noqa: PLC0415 - as above

        spec = RunSpec.model_validate_json(request["run"])
        bars = execution.load_bars(spec, self._catalog)
        benchmark = execution.load_benchmark(spec, bars, self._catalog)
        code, file = Path(request["code"]), Path(request["file"])
        told = _Throttle(ask)
        self._let_go(file.parent)
        with strategy_class(code, request["id"]) as strategy:
            self._compile(ask, strategy, bars, [spec.options], spec)
            content = shards.compute(
                request, bars, strategy, code=code, tell=told, benchmark=benchmark
            )
        file.write_bytes(content)
        return {"file": str(file)}

    def _compile(
        self,
        ask: Ask,
        strategy: type[Strategy],
        bars: Sequence[Bars],
        rules: Sequence[EngineOptions],
        spec: RunSpec,
    ) -> None:
        """Have compiled what this work needs; on the command line nobody did that before it."""
        folder = _kernels()
        if folder is None:
            return
        lacks_kernels = not self._confined and not has_kernels(folder)
        lacks_accounts = execution.needs_accounts(
            strategy, bars, rules, spec.costs
        ) and not has_accounts(folder)
        if not lacks_kernels and not lacks_accounts:
            return
        with told(ask):
            if lacks_kernels:
                with _alone(folder):
                    warm_up()
                    note_kernels(folder)
            if lacks_accounts:
                compile_the_rest()

    def _is_synthetic(self, spec: RunSpec) -> bool:
        used = {*spec.symbols, *spec.options.fx.values()}
        used |= set() if spec.benchmark is None else {spec.benchmark}
        return any(series.synthetic for symbol in used for series in self._catalog.series(symbol))

    def _check(self, request: Message, _ask: Ask) -> Message:
        code = Path(request["code"])
        self._let_go()
        with strategy_class(code, request["id"]) as strategy:
            return {"checked": sample.try_out(strategy, request["params"], request["engine"], code)}

    def _let_go(self, *scratch: Path) -> None:
        """From here on strategy code runs."""
        self._pristine = False
        if self._confined:
            kernels = os.environ.get("NUMBA_CACHE_DIR")
            confine([*scratch, *([Path(kernels)] if kernels else [])])
