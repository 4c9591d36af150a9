"""Run by Alembic inside the connection and transaction that `core.store.migrate` has opened."""

from alembic import context

from core.store.migrate import VERSION_TABLE
from core.store.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
