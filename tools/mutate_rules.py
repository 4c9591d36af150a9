"""Break every rule of the engine on purpose and see that a test notices: `make mutants`.

`tools/rule_mutants.toml` lists the breakages. Each is made in a copy of the tree, and the tests
that carry the number of its rule in their names are run there, kernels as plain Python. What no
test notices has survived: write the test that is missing, or say something else in the list.

    python tools/mutate_rules.py             all of them, a few minutes
    python tools/mutate_rules.py R9 lanes    those of some rules

The exit status is 1 if a mutant survived or the tests fail without any, 2 if the list is stale.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("rule_mutants.toml")
COPIED = ("config", "core", "strategies", "tests", "pyproject.toml")
LONGEST = 300  # seconds; a loop that no longer ends is noticed by that
TERSE = ("-q", "--tb=no", "--assert=plain")
FAILED = 1  # what pytest returns when tests were run and some failed
# What a mutant dies of that is no breakage but a slip in the list.
SLIPS = ("SyntaxError", "NameError", "UnboundLocalError", "AttributeError", "ImportError")


@dataclass(frozen=True)
class Mutant:
    """One deliberate breakage.

    Attributes:
        rule: Number of the rule, or a name of `Mutants.groups`.
        file: Below the root.
        breaks: What is wrong then.
        old: Text that stands in the file once.
        new: What is put in its place.
    """

    rule: str
    file: str
    breaks: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """Give the text of the file with the breakage in it.

        Raises:
            ValueError: `old` does not stand there exactly once, or `new` is the same.
        """
        count = text.count(self.old)
        if count != 1 or self.old == self.new:
            raise ValueError(f"{self.rule} ({self.breaks}): found {count} times in {self.file}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Mutants:
    """The list.

    Attributes:
        groups: What pytest is told where mutants belong to no number: files, tests, `-k` and words.
        all: In the order of the file.
    """

    groups: Mapping[str, Sequence[str]]
    all: Sequence[Mutant]


def read_list(path: Path = LIST) -> Mutants:
    """Read the list of breakages."""
    content = tomllib.loads(path.read_text("utf-8"))
    return Mutants(content["groups"], [Mutant(**each) for each in content["mutant"]])


def rule_tests(root: Path = ROOT) -> dict[str, list[str]]:
    """Find the tests of each rule by their names, as `test_r9_…` or `test_r5_r6_…`."""
    found: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for name, numbers in re.findall(
            r"^def (test_((?:r\d+_)+)\w*)", path.read_text("utf-8"), re.MULTILINE
        ):
            for rule in numbers.upper().split("_")[:-1]:
                found.setdefault(rule, []).append(f"{path.relative_to(root).as_posix()}::{name}")
    return found


def tests_for(rule: str, mutants: Mutants, found: Mapping[str, Sequence[str]]) -> list[str]:
    """Say what pytest runs for a rule or a group."""
    if rule in mutants.groups:
        return [*mutants.groups[rule]]
    # Without the compiler the engines of these names are those called twin.
    return [*found[rule], "-k", "not compiled"]


def run(tree: Path, arguments: Iterable[str], *more: str) -> tuple[int, str]:
    """Run tests in a tree, in a process of their own; returns pytest's status and what it said.

    The status is below 0 where a signal ended it: `LONGEST` was not enough.
    """
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            status = FAILED + 1
            try:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                os.chdir(tree)
                sys.path.insert(0, str(tree))
                signal.alarm(LONGEST)
                # Numbers of numpy warn where those of a kernel do not.
                calm = ("-W", "ignore::RuntimeWarning", "-p", "no:cacheprovider")
                # The folder pytest would take is shared with whoever else runs it now.
                own = f"--basetemp={tree.parent / 'scratch'}"
                status = int(pytest.main([*TERSE, *calm, own, *more, *arguments]))
            except BaseException:  # noqa: BLE001 - said, and then the process ends
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(ended), said.read().decode("utf-8")


def verdict(tree: Path, mutant: Mutant, arguments: Iterable[str]) -> str | None:
    """Say which test notices a mutant; None if it survives.

    Raises:
        ValueError: the list is stale, or the mutant cannot be run at all.
    """
    path = tree / mutant.file
    text = path.read_text("utf-8")
    mutated = mutant.applied(text)
    stale = Path(cache_from_source(str(path)))
    try:
        # Its bytes may be as many, and written in the same second, as those of the one before.
        stale.unlink(missing_ok=True)
        path.write_text(mutated, "utf-8")
        status, said = run(tree, arguments, "-x")
    finally:
        path.write_text(text, "utf-8")
        stale.unlink(missing_ok=True)
    if status <= 0:
        return None if status == 0 else "a loop that does not end"
    failure = re.search(
        r"^(?:FAILED|ERROR) \S*?::(\w+)(?:\[.*?\])?(?: - (.*))?$", said, re.MULTILINE
    )
    if status != FAILED or failure is None or (failure[2] or "").startswith(SLIPS):
        raise ValueError(f"{mutant.rule} ({mutant.breaks}) does not run:\n{said[-2000:]}")
    return failure[1]


def main(asked: Sequence[str]) -> int:
    """Run mutants of the rules asked for, or all; print a table and return the exit status."""
    mutants, found = read_list(), rule_tests()
    chosen = [each for each in mutants.all if not asked or each.rule in asked]
    if not chosen:
        print(f"no mutants of {', '.join(asked)}: there are {', '.join(rules_of(mutants))}")
        return 2
    begun = time.monotonic()
    prepare()
    with tempfile.TemporaryDirectory(prefix="workbench-mutants-") as folder:
        tree = Path(folder) / "tree"
        copy_to(tree)
        tests = {each.rule: tests_for(each.rule, mutants, found) for each in chosen}
        for rule, arguments in tests.items():
            status, said = run(tree, arguments)
            if status != 0:
                print(f"{said}\nthe tests of {rule} fail without any mutant")
                return 1
        survived = 0
        for mutant in chosen:
            try:
                killer = verdict(tree, mutant, tests[mutant.rule])
            except ValueError as stale:
                print(stale)
                return 2
            survived += killer is None
            print(f"{mutant.rule:<8} {mutant.breaks:<72} {killer or 'SURVIVED'}", flush=True)
    spent = time.monotonic() - begun
    print(f"{len(chosen)} mutants, {survived} survived, {spent / 60:.1f} minutes")
    return 1 if survived else 0


def rules_of(mutants: Mutants) -> dict[str, int]:
    """Count the mutants of each rule, in the order of the list."""
    return Counter(each.rule for each in mutants.all)


def prepare() -> None:
    """Load once what every run would load: nothing of ours, which is read from the copy."""
    os.environ |= {"NUMBA_DISABLE_JIT": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    os.environ["COLUMNS"] = "1000"  # else the error is cut off behind a long name
    sys.dont_write_bytecode = False  # of the copy, whatever the shell says of the tree
    os.environ.setdefault("WORKBENCH_SHARED", str(ROOT.parent / "shared"))
    for name in ("hypothesis", "numba", "polars", "pydantic"):
        import_module(name)


def copy_to(tree: Path) -> None:
    """Copy what the tests of rules need, as it stands."""
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
