"""Numbers a quant would quote: arrays in, numbers out. Definitions: docs/metrics.md."""
