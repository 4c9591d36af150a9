"""Records and artifacts: the only room that speaks SQL.

`open_store(url, artifacts)` gives a `Store`; `core.store.migrate` brings a database up to date.
"""

from core.store.artifacts import ArtifactStore
from core.store.repositories import RunRepository
from core.store.store import Store, open_store

__all__ = ["ArtifactStore", "RunRepository", "Store", "open_store"]
