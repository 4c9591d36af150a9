"""The price lake: importing, storing, aggregating and querying market data."""

from core.catalog.lake import Catalog
from core.catalog.terms import on_terms

__all__ = ["Catalog", "on_terms"]
