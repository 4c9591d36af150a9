"""Python source as a tree, from many threads.

CPython before 3.12 counts the depth of the tree in a place all threads share: two parses at once
can fail with `SystemError: AST constructor recursion depth mismatch`. One at a time cannot.
"""

from __future__ import annotations

import ast
import threading
from functools import lru_cache

_one_at_a_time = threading.Lock()


def parse(source: str | bytes) -> ast.Module:
    """Parse a module; raises what `ast.parse` does."""
    with _one_at_a_time:
        return ast.parse(source)


@lru_cache(256)
def parse_expression(source: str) -> ast.Expression:
    """Parse one expression, that nobody may change; raises what `ast.parse` does."""
    with _one_at_a_time:
        return ast.parse(source, mode="eval")
