"""Starts the servers and looks after them: what `make run` and `workbench serve` do."""
