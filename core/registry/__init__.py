"""Strategies: found by scanning a folder, named by id, run from a snapshot of their code.

Text of a request is only ever a key to look up. Strategy files are imported in child processes, or
in the caller's own process where that is asked for (`load`), never while they are looked for.
"""
