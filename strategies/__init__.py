"""One file, one strategy, found by scanning this folder; see docs/writing_strategies.md."""
