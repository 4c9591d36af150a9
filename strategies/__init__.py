"""Strategies: one file, one strategy. Files are found by scanning this folder; see docs/writing_strategies.md."""
