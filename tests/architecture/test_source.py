"""Rules of the source that no linter has."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import LONG_FILES

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("ui", "api", "core", "strategies")

# Where anything at all can be raised: around a strategy's code, at the top of a thread or process
# that serves many, and at the outermost doors. Everywhere else errors are caught by name.
MAY_CATCH_ALL = {
    "api/errors.py",
    "core/engine/account_lanes.py",
    "core/engine/sweep.py",
    "core/jobs/child.py",
    "core/jobs/cluster.py",
    "core/jobs/runner.py",
    "core/jobs/worker.py",
    "core/registry/blame.py",
    "core/services/chunks.py",
    "core/tracking/connection.py",
    "ui/app.py",
}


def sources(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def catches_all(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"})
        for kind in kinds
    )


def test_everything_is_caught_only_where_anything_can_happen() -> None:
    found = {
        name
        for name, tree in sources(*PRODUCT)
        if any(catches_all(node) for node in ast.walk(tree))
    }

    assert found == MAY_CATCH_ALL


def test_nothing_is_unpickled() -> None:
    unsafe = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}

    found = [
        (name, unsafe & words)
        for name, tree in sources(*PRODUCT)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for words in [
            {alias.name.split(".")[0] for alias in node.names}
            | {getattr(node, "module", None) or ""}
        ]
        if unsafe & words
    ]

    assert found == []


def endpoints() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    verbs = {"get", "post", "put", "patch", "delete", "head"}
    for name, tree in sources("api/routers"):
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            is_marked = any(
                isinstance(mark, ast.Call)
                and isinstance(mark.func, ast.Attribute)
                and mark.func.attr in verbs
                for mark in node.decorator_list
            )
            arguments = [*node.args.args, *node.args.kwonlyargs]
            given = {
                each.annotation.id for each in arguments if isinstance(each.annotation, ast.Name)
            }
            if is_marked or "ServicesDep" in given:
                yield name, node


def service_calls(function: ast.AST) -> int:
    """Count calls such as `services.backtests.submit(...)`."""
    count = 0
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            root = node.func.value
            while isinstance(root, ast.Attribute):
                root = root.value
            count += isinstance(root, ast.Name) and root.id == "services"
    return count


def test_an_endpoint_makes_one_call_on_the_services() -> None:
    several = {
        f"{name}:{node.name}": service_calls(node)
        for name, node in endpoints()
        if service_calls(node) > 1
    }

    assert len(list(endpoints())) > 10
    assert several == {}


def tracked() -> list[Path]:
    """Every file that is, or is about to be, in the repository; of a bare copy every file."""
    if not (ROOT / ".git").exists():
        skipped = {".venv", "data", "results"}
        folders = [path for path in ROOT.iterdir() if path.name not in skipped]
        return [
            path for each in folders for path in ([each] if each.is_file() else each.rglob("*"))
        ]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines()]


def test_no_file_names_a_machine_or_a_registry() -> None:
    # written in pieces so that this file does not find itself
    words = ("/" + "work/", "/" + "root/", "files.python" + "hosted", "pypi" + ".org")
    private = re.compile("|".join(map(re.escape, words)))

    found = [
        (path.relative_to(ROOT).as_posix(), hit.group())
        for path in tracked()
        if path.is_file() and path.suffix != ".pyc" and (hit := private.search(_text(path)))
    ]

    assert found == []


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


def test_files_that_tests_begin_with_are_there() -> None:
    assert [name for name in LONG_FILES if not (ROOT / name).is_file()] == []
