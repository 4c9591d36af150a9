"""The core of Quant Workbench: everything that knows about trading, nothing that knows about doors."""
