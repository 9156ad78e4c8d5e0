"""Events, append-only, and leases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes both tables, and the triggers that refuse to change an event."""
    texts = ["id", "at", "corpus", "generation", "kind", "actor", "role", "reason", "payload"]
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in [*texts, "key", "previous", "hash"]),
    )
    once = sa.text("key <> ''")
    op.create_index(
        "events_key", "events", ["key"], unique=True, sqlite_where=once, postgresql_where=once
    )
    op.create_index("events_corpus", "events", ["corpus", "generation"])
    op.create_table(
        "leases",
        sa.Column("corpus", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ["holder", "since", "heartbeat"]),
    )
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER events_refuse_{change.lower()} BEFORE {change} ON events "
                "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER events_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
            "FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()"
        )
