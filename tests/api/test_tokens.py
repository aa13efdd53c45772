"""Token files: private, whole, and found again by what is in them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from swarm.api.tokens import Tokens


def test_made_once_and_readable_by_the_owner_only(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens")
    assert tokens.make("owner")
    first = tokens.read("owner")
    assert not tokens.make("owner")
    assert tokens.read("owner") == first
    assert first is not None
    assert len(first) >= 43
    assert stat.S_IMODE((tmp_path / "tokens" / "owner").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o700
    assert os.listdir(tmp_path / "tokens") == ["owner"]


def test_who_is_known_as_soon_as_made_and_forgotten_as_soon_as_dropped(tmp_path: Path) -> None:
    tokens, other = Tokens(tmp_path), Tokens(tmp_path)
    for n in range(20):
        other.make(f"agent.a{n}")
        token = other.read(f"agent.a{n}")
        assert token is not None
        assert tokens.who(token) == f"agent.a{n}"
    assert tokens.who("nobody's" * 6) is None
    assert tokens.who("") is None
    assert tokens.who("ü€" * 20) is None
    gone = str(tokens.read("agent.a3"))
    tokens.drop("agent.a3")
    assert tokens.who(gone) is None


@pytest.mark.parametrize("who", ["", "root", "agent.", "agent.../x", "agent.a/b", "../owner", "agent.-x", "owner\n"])
def test_only_roles_have_tokens(tmp_path: Path, who: str) -> None:
    with pytest.raises(ValueError, match="no role"):
        Tokens(tmp_path).make(who)


def test_files_that_others_could_have_touched_are_no_tokens(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.make("viewer")
    token = str(tokens.read("viewer"))
    (tmp_path / "viewer").chmod(0o644)
    assert tokens.read("viewer") is None
    (tmp_path / "viewer").chmod(0o600)
    (tmp_path / "owner").symlink_to(tmp_path / "viewer")
    assert tokens.read("owner") is None
    (tmp_path / "agent.x").write_text("short")
    (tmp_path / "agent.x").chmod(0o600)
    assert tokens.read("agent.x") is None
    assert Tokens(tmp_path).who(token) == "viewer"


def test_a_log_line_is_scrubbed(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.make("owner")
    token = str(tokens.read("owner"))
    tokens.who(token)
    assert token not in tokens.scrub(f"/v1/{token}\nx")
    assert "\n" not in tokens.scrub(f"/v1/{token}\nx")


def test_a_full_disk_leaves_no_half_of_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        Tokens(tmp_path).make("owner")
    assert os.listdir(tmp_path) == []
