"""What the shell offers after Tab. Silence when there is nothing to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing


def experiments(incomplete: str) -> list[str]:
    """The newest experiments that begin so."""
    return list(_column("SELECT id FROM experiments WHERE id LIKE ? || '%' ORDER BY rowid DESC LIMIT 50", incomplete))


def agents(incomplete: str) -> list[str]:
    """The agents of the newest campaign that begin so."""
    return list(
        _column(
            "SELECT name FROM agents WHERE campaign=(SELECT MAX(id) FROM campaigns) AND name LIKE ? || '%'", incomplete
        )
    )


def _column(sql: str, incomplete: str) -> Iterator[str]:
    from swarm.cli.places import here
    from swarm.ledger.connection import open_reader

    try:
        with closing(open_reader(here().ledger)) as db:
            yield from (str(row[0]) for row in db.execute(sql, (incomplete,)))
    except Exception:  # a shell's Tab is no place for an error
        return
