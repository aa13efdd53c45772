"""The notebook's pages and their versions, as the ledger has them."""

from __future__ import annotations

from swarm.ledger.search import Asked
from swarm.research.notebook import Page

COLUMNS = "name, version, agent, text, why, at"


def newest(ledger: Asked, campaign: int, name: str) -> Page | None:
    """What a page says now; None where there is none."""
    return at_version(ledger, campaign, name, None)


def at_version(ledger: Asked, campaign: int, name: str, version: int | None) -> Page | None:
    """A version of a page (None: the newest)."""
    which = "" if version is None else "AND version=?"
    rows = ledger.rows(
        f"SELECT {COLUMNS} FROM pages WHERE campaign=? AND name=? {which} ORDER BY version DESC LIMIT 1",
        campaign, name, *([] if version is None else [version]),
    )  # fmt: skip
    return Page(*rows[0]) if rows else None


def history(ledger: Asked, campaign: int, name: str) -> list[Page]:
    """All versions of a page, the newest first."""
    sql = f"SELECT {COLUMNS} FROM pages WHERE campaign=? AND name=? ORDER BY version DESC"
    return [Page(*row) for row in ledger.rows(sql, campaign, name)]


def listed(ledger: Asked, campaign: int) -> list[Page]:
    """The newest version of every page, by name."""
    sql = (
        f"SELECT {COLUMNS} FROM pages p WHERE campaign=? AND version=(SELECT MAX(version) FROM pages q "
        "WHERE q.campaign=p.campaign AND q.name=p.name) ORDER BY name"
    )
    return [Page(*row) for row in ledger.rows(sql, campaign)]


def count(ledger: Asked, campaign: int) -> int:
    """How many pages there are."""
    return int(ledger.rows("SELECT COUNT(DISTINCT name) FROM pages WHERE campaign=?", campaign)[0][0])
