"""A strategy's code is its file and everything it imports from its folder, and nothing else."""

from __future__ import annotations

import pytest

from core.errors import NotFound
from core.registry import sources
from tests.laboratory import write_strategy


def closure(folder, name="main"):
    return set(sources.read(folder, name).files)


@pytest.mark.parametrize(
    "statement",
    [
        "import strategies.helper",
        "import strategies.helper as h",
        "from strategies import helper",
        "from strategies.helper import thing",
        "from . import helper",
        "from .helper import thing",
        "def f():\n    from strategies.helper import thing",
        "try:\n    import strategies.helper\nexcept ImportError:\n    pass",
    ],
)
def test_every_form_of_import_is_followed(tmp_path, statement):
    write_strategy(tmp_path, "main", statement)
    write_strategy(tmp_path, "helper", "thing = 1")
    write_strategy(tmp_path, "other", "thing = 2")

    assert closure(tmp_path) == {"main.py", "helper.py"}


def test_imports_of_imports_and_circles_are_followed(tmp_path):
    write_strategy(tmp_path, "main", "from strategies.a import x")
    write_strategy(tmp_path, "a", "from strategies.b import x")
    write_strategy(tmp_path, "b", "import strategies.main")

    assert closure(tmp_path) == {"main.py", "a.py", "b.py"}


def test_packages_bring_their_init_along(tmp_path):
    write_strategy(tmp_path, "main", "from strategies.lib.deep import x")
    write_strategy(tmp_path / "lib", "__init__", "")
    write_strategy(tmp_path / "lib", "deep", "from .flat import x\nfrom ..top import y")
    write_strategy(tmp_path / "lib", "flat", "x = 1")
    write_strategy(tmp_path, "top", "y = 1")
    write_strategy(tmp_path, "__init__", "")

    assert closure(tmp_path) == {
        "__init__.py",
        "lib/__init__.py",
        "lib/deep.py",
        "lib/flat.py",
        "main.py",
        "top.py",
    }


def test_other_libraries_do_not_count(tmp_path):
    write_strategy(tmp_path, "main", "import numpy\nfrom core.domain.strategy import Strategy")

    assert closure(tmp_path) == {"main.py"}


def test_an_edited_helper_changes_the_hash_and_a_stranger_does_not(tmp_path):
    write_strategy(tmp_path, "main", "from strategies.helper import x")
    write_strategy(tmp_path, "helper", "x = 1")
    before = sources.read(tmp_path, "main").code_hash

    write_strategy(tmp_path, "stranger", "x = 1")
    untouched = sources.read(tmp_path, "main").code_hash
    write_strategy(tmp_path, "helper", "x = 2")

    assert untouched == before
    assert sources.read(tmp_path, "main").code_hash != before


def test_a_name_moved_between_files_changes_the_hash(tmp_path):
    assert sources.hash_files({"a": b"xy", "b": b""}) != sources.hash_files({"a": b"x", "b": b"y"})


def test_a_missing_import_is_noticed_when_it_appears(tmp_path):
    write_strategy(tmp_path, "main", "from strategies.helper import x")
    before = sources.read(tmp_path, "main")

    write_strategy(tmp_path, "helper", "x = 1")

    assert "helper.py" in before.missing
    assert sources.read(tmp_path, "main").code_hash != before.code_hash


def test_a_file_that_is_gone_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        sources.read(tmp_path, "main")


def test_a_snapshot_holds_the_closure_and_is_made_once(tmp_path):
    write_strategy(tmp_path / "in", "main", "from strategies.helper import x")
    write_strategy(tmp_path / "in", "helper", "x = 1")
    found = sources.read(tmp_path / "in", "main")

    first = sources.publish(found, tmp_path / "out")
    second = sources.publish(found, tmp_path / "out")

    assert first == second == tmp_path / "out" / found.code_hash
    assert sorted(path.name for path in first.iterdir()) == ["helper.py", "main.py"]
    assert sources.stored_hash(first) == found.code_hash
    assert [path.name for path in (tmp_path / "out").iterdir()] == [found.code_hash]


def test_helpers_and_dunder_files_are_not_candidates(tmp_path):
    for name in ("a", "_helper", "__init__"):
        write_strategy(tmp_path, name, "")

    assert [path.stem for path in sources.candidates(tmp_path)] == ["a"]
    assert sources.candidates(tmp_path / "absent") == []
