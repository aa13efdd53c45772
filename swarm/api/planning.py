"""Agents' tools (MCP) for what a group plans and knows together: ideas, the notebook, doubts, measuring again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from swarm.api import memory, tools, wire
from swarm.api.desk import Desk
from swarm.api.looking import line
from swarm.workspace import Workspace

if TYPE_CHECKING:
    from mcp.server import MCPServer

Number = Annotated[int, Field(description="The idea's number.")]


def add(server: MCPServer[Any], desk: Desk, workspace: Workspace) -> None:
    """Put these tools into the server."""
    _ideas(server, desk, workspace)
    _notebook(server, desk, workspace)
    _doubts(server, desk)


def _ideas(server: MCPServer[Any], desk: Desk, workspace: Workspace) -> None:
    @server.tool(structured_output=False)
    async def ideas() -> str:
        """The backlog: ideas that nobody tried yet, and who has which."""
        return await tools.looked(partial(memory.ideas, workspace))

    @server.tool(structured_output=False)
    async def idea_add(
        text: str,
        ctx: tools.Ctx,
        priority: Annotated[float, Field(description="0 to 10, the higher the sooner.")] = 1.0,
        evidence: Annotated[str | None, Field(description="What speaks for it, e.g. e0012.")] = None,
    ) -> str:
        """Write down what somebody should try, when you do not try it yourself now."""
        who = tools.caller(ctx)
        said = tools.checked(wire.NewIdea, text=text, priority=priority, evidence=evidence)
        answer = await tools.told(desk.ask(lambda story: story.idea_add(who, **said)))
        known = " (it is there already)" if answer["known"] else ""
        return f"Idea {answer['idea']}{known}. Who claims it tries it; yours: idea_claim({answer['idea']})."

    @server.tool(structured_output=False)
    async def idea_claim(
        ctx: tools.Ctx, idea: Annotated[int | None, Field(description="None: the first that is free.")] = None
    ) -> str:
        """Take an idea: nobody else has it then. Submit its try with idea=NUMBER; the verdict is its outcome."""
        who = tools.caller(ctx)
        said = tools.checked(wire.Claim, idea=idea)
        answer = await tools.told(desk.ask(lambda story: story.idea_claim(who, said["idea"])))
        text = line(answer["text"], 2000)
        return f"Idea {answer['idea']} is yours: {text}\nEdit, then submit(…, idea={answer['idea']}); or idea_done if it is not worth it."

    @server.tool(structured_output=False)
    async def idea_done(
        idea: Number,
        ctx: tools.Ctx,
        experiment: Annotated[str | None, Field(description="What tried it already.")] = None,
        drop: Annotated[bool, Field(description="It is not worth a run.")] = False,
        why: str = "",
    ) -> str:
        """End an idea that was tried elsewhere, or drop it. One submitted with idea= ends by itself."""
        who = tools.caller(ctx)
        said = tools.checked(wire.IdeaDone, idea=idea, experiment=experiment, drop=drop, why=why)
        fields = {name: value for name, value in said.items() if name != "idea"}
        answer = await tools.told(desk.ask(lambda story: story.idea_done(who, said["idea"], **fields)))
        return f"Idea {answer['idea']} is {answer['state']}."


def _notebook(server: MCPServer[Any], desk: Desk, workspace: Workspace) -> None:
    @server.tool(structured_output=False)
    async def notebook(page: Annotated[str | None, Field(description="None: the names of all pages.")] = None) -> str:
        """What this group knows, a page for each matter."""
        return await tools.looked(partial(memory.notebook, workspace, page))

    @server.tool(structured_output=False)
    async def improve(
        page: Annotated[str, Field(description="Its name, e.g. warmdown.")],
        text: Annotated[str, Field(description="The whole page as it should be from now on.")],
        version: Annotated[int, Field(description="The version that you read; 0 for a new page.")],
        ctx: tools.Ctx,
        why: Annotated[str, Field(description="What is better now.")] = "",
    ) -> str:
        """Rewrite a page of the notebook so that it says what is known now: mend, shorten, add. Read it first."""
        who = tools.caller(ctx)
        said = tools.checked(wire.Improve, page=page, text=text, version=version, why=why)
        answer = await tools.told(desk.ask(lambda story: story.improve(who, **said)))
        return f"{answer['page']} is at version {answer['version']}. Go on."


def _doubts(server: MCPServer[Any], desk: Desk) -> None:
    @server.tool(structured_output=False)
    async def flag(experiment: tools.What, why: str, ctx: tools.Ctx) -> str:
        """Tell the person that something is wrong with an experiment (it cheats, it is a mistake). No verdict changes."""
        who = tools.caller(ctx)
        said = tools.checked(wire.Doubt, experiment=experiment, why=why)
        answer = await tools.told(desk.ask(lambda story: story.flag(who, **said)))
        return f"{answer['experiment']} is flagged; the person sees it. Go on."

    @server.tool(structured_output=False)
    async def remeasure(experiment: tools.What, why: str, ctx: tools.Ctx) -> str:
        """For verifiers and statisticians: measure an experiment once more, with another seed."""
        who = tools.caller(ctx)
        said = tools.checked(wire.Doubt, experiment=experiment, why=why)
        answer = await tools.told(desk.ask(lambda story: story.remeasure(who, **said)))
        return f"{answer['experiment']} is measured again (run {answer['run']}; {answer['runs']} so far). Call wait, or show it later."
