"""notebook: a page is improved by whoever read its newest version. Reading needs no coordinator (ledger/pages.py)."""

from __future__ import annotations

from typing import Any

from swarm.coordinator import rights
from swarm.coordinator.world import World
from swarm.errors import Refused
from swarm.ledger import pages
from swarm.research import notebook


def improve(w: World, name: str | None, page: str, text: str, version: int, why: str = "") -> dict[str, Any]:
    """Keep `text` as the next version of a page, for an agent (None: for a person), who read `version` of it (0: a new page).

    The same text again is the version that it made. Raises Refused for a page that is newer, with its text; for an odd name,
    an empty or too long text, one page or one edit too many.
    """
    agent = None if name is None else w.agent(name)
    kept = text.strip()
    if not notebook.NAME.fullmatch(page):
        raise Refused(
            "a page's name is made of small letters, digits and dashes.", "For example: warmdown, what-failed", 422
        )
    if not kept or len(kept) > notebook.LONGEST:
        much = f"a page has at most {notebook.LONGEST:,} characters, this one {len(kept):,}"
        raise Refused(
            f"{much if kept else 'a page without a word'}.",
            "Say less: a page is what is worth knowing, not all that was.",
            422,
        )
    there = pages.newest(w.ledger, w.campaign.id, page)
    at = there.version if there else 0
    if there is not None and there.agent == name and there.text == kept:
        return {"page": page, "version": at}
    if odd := notebook.refusal(at, version):
        now = f" It says now:\n{there.text}" if there else ""
        raise Refused(f"{page}: {odd}.{now}", f"Put what you know into that text, and name version {at}.", 409)
    if there is None and pages.count(w.ledger, w.campaign.id) >= notebook.PAGES:
        raise Refused(f"the notebook has {notebook.PAGES} pages.", "Improve one of them: notebook() lists them.", 409)
    if agent is not None and rights.written(w, agent, "improved") >= notebook.EDITS:
        raise Refused(
            f"{notebook.EDITS} edits since your last experiment.", "Try something first: edit, then submit.", 409
        )
    with w.ledger.tx():
        w.ledger.add(
            "pages", campaign=w.campaign.id, name=page, version=at + 1, agent=name, text=kept,
            why=" ".join(why.split())[: notebook.WHY] or None, at=w.now,
        )  # fmt: skip
        w.say("improved", name, None, page=page, version=at + 1)
    return {"page": page, "version": at + 1}
