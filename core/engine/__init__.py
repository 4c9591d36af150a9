"""The engine: arrays in, fills and numbers out. Rules: docs/engine_rules.md."""
