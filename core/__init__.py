"""The core of Quant Workbench: knows everything about trading, nothing about doors."""
