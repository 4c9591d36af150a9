"""Work in time: who runs it, where, and what becomes of it. Knows no finance.

`Work` is done by an executor. `Inline` does it here and now. `Runner` does it in child processes
that a *keeper* forks: every piece of work that runs foreign code gets a process of its own.
"""
