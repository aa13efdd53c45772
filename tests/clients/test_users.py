"""The same as another user: what works as root in a container works as a normal user too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.box import box
from tests.clients.test_turns import one

pytestmark = pytest.mark.clients
NORMAL = ("unshare", "--user", "--map-user=1000", "--map-group=1000")  # root's files are this user's own inside


@pytest.mark.parametrize("permissions", ["guarded", "open"])
@pytest.mark.parametrize("client", ["claude", "codex"])
def test_a_research_turn_as_a_normal_user(tmp_path: Path, client: str, permissions: str) -> None:
    with box(tmp_path, client, one(client), permissions=permissions) as b:
        b.before = NORMAL
        code, shown = b.run()
        assert code == 0, shown
        assert len(b.tools.submitted) == 1, shown
