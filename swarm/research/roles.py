"""Roles: what an agent is for, and which of swarm's tools that gives it. Programs and rights, no other kind of process. Pure.

The verifying and the statistics that every campaign needs are built-in policies without an agent; these roles add eyes.
"""

from __future__ import annotations

import json

EXPERIMENTER, VERIFIER, STATISTICIAN, ANALYST = ROLES = ("experimenter", "verifier", "statistician", "analyst")
ABLE = (
    "claude",
    "codex",
    "scripted",
)  # kinds of agents that can have another role: they have swarm's tools, or a script
FOLDER = "roles/"  # of their programs, below programs/

# who may not: everything that is not named here may be called by every role
REFUSED: dict[str, dict[str, str]] = {
    "submit": {
        VERIFIER: "a verifier changes nothing: it measures again (remeasure) what the statistics point at",
        STATISTICIAN: "a statistician changes nothing: it has the same code measured again (remeasure)",
        ANALYST: "an analyst submits nothing: write an idea (idea_add), improve the notebook, or flag an experiment",
    },
    "remeasure": {
        EXPERIMENTER: "measuring again is for verifiers and statisticians; candidates for best get it by themselves",
        ANALYST: "an analyst has no runs: flag the experiment and say why it should be measured again",
    },
}
REFUSED["adopt"] = REFUSED["submit"]


def role_of(options: str) -> str:
    """The role in an agent's options (JSON)."""
    return str(json.loads(options).get("role", EXPERIMENTER)) if '"role"' in options else EXPERIMENTER


def refusal(role: str, tool: str) -> str:
    """Why this role may not call a tool; empty when it may."""
    return REFUSED.get(tool, {}).get(role, "")


def able(role: str, kind: str) -> bool:
    """Whether agents of this kind can have the role."""
    return role == EXPERIMENTER or kind in ABLE


def measures(role: str) -> bool:
    """Whether agents of this role submit experiments, and so need a GPU of their own."""
    return not refusal(role, "submit")
