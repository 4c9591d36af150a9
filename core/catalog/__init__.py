"""The price lake: importing, storing, aggregating and querying market data."""

from core.catalog.lake import Catalog

__all__ = ["Catalog"]
