"""Whether to believe the winner of a search: arrays in, numbers out. Definitions: docs/trust.md."""
