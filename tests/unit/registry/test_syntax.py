"""Strategy files and constraints are parsed from many threads at once."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor

from core.domain import syntax


def test_many_threads_parse_at_once():
    source = "\n".join(
        f"def f{n}(a, b):\n    return [a + {n}, (b, {{'k': a}})]" for n in range(300)
    )
    expected = ast.dump(ast.parse(source))

    with ThreadPoolExecutor(8) as pool:
        trees = list(pool.map(lambda _: syntax.parse(source), range(64)))

    assert {ast.dump(tree) for tree in trees} == {expected}
