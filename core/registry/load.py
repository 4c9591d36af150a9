"""Import a strategy from its snapshot: in a child process, or inline where that is asked for."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from core.domain.strategy import Strategy
from core.errors import StrategyFailed
from core.registry import legacy
from core.registry.blame import blamed
from core.registry.sources import PACKAGE, stored_hash

_INSIDE = f"{PACKAGE}."
_swapping = threading.RLock()


@contextmanager
def strategy_class(folder: Path, strategy_id: str) -> Iterator[type[Strategy]]:
    """Give the class of a snapshot; its modules are importable until the context ends.

    Args:
        folder: The snapshot, named after the hash of its files.
        strategy_id: Stem of the file, as the registry knows it.

    Raises:
        StrategyFailed: the snapshot was changed, cannot be imported or holds no single strategy.
    """
    if stored_hash(folder) != folder.name:
        raise StrategyFailed(
            f"the stored code of strategy {strategy_id!r} was changed after it was stored",
            hint=f"Remove the folder {folder.name[:12]}… of the snapshots and run again",
        )
    with imported(folder, strategy_id) as module:
        yield find_class(module)


@contextmanager
def imported(folder: Path, strategy_id: str) -> Iterator[ModuleType]:
    """Import one file of a folder as `strategies.<id>`, with the folder as that package.

    Raises:
        StrategyFailed: it cannot be imported.
    """
    with _swapping:
        before = _take_out()
        lent = legacy.lend_base()
        try:
            with blamed(folder):
                _install(folder)
                module = importlib.import_module(f"{PACKAGE}.{strategy_id}")
            yield module
        finally:
            _take_out()
            sys.modules.update(before)
            if lent:
                legacy.take_base_back()


def find_class(module: ModuleType) -> type[Strategy]:
    """Find the one strategy a module defines; bases of its own other classes do not count.

    Where there is none, a class of the earlier shape is adapted.

    Raises:
        StrategyFailed: there is none, or more than one.
    """
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Strategy)
        and value.__module__ == module.__name__
    ]
    classes = {cls for cls in own if not any(cls in other.__mro__[1:] for other in own)}
    if not classes:
        classes = {legacy.adapted(cls) for cls in legacy.find_legacy(module)}
    if not classes:
        raise StrategyFailed(
            "the file defines no strategy",
            expected="one class based on core.domain.strategy.Strategy, or one with "
            "generate_signals(df)",
            hint="Begin the names of helper files with an underscore",
        )
    if len(classes) > 1:
        names = ", ".join(sorted(cls.__name__ for cls in classes))
        raise StrategyFailed(
            f"the file defines {len(classes)} strategies: {names}", expected="one per file"
        )
    return classes.pop()


def _take_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == PACKAGE or name.startswith(_INSIDE)]
    return {name: sys.modules.pop(name) for name in names}


def _install(folder: Path) -> None:
    """Put a package in place whose only home is the folder."""
    importlib.invalidate_caches()
    init = folder / "__init__.py"
    if init.is_file():
        spec = importlib.util.spec_from_file_location(
            PACKAGE, init, submodule_search_locations=[str(folder)]
        )
    else:
        spec = importlib.machinery.ModuleSpec(PACKAGE, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
    if spec is None:  # pragma: no cover - a path ending in .py always has a loader
        raise ImportError(str(init))
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    if spec.loader is not None:
        spec.loader.exec_module(package)
