"""`grid` among the agents' tools (MCP)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from mcp.server import MCPServer
from pydantic import Field

from swarm.api.desk import Desk
from swarm.api.grid import Grid, queued, shown
from swarm.api.tools import Ctx, caller, checked, looked, told
from swarm.workspace import Workspace

Words = Annotated[
    list[str] | None,
    Field(description="Constants with values: ['MATRIX_LR=.02,.04', 'DEPTH=6,8'], or experiments: ['e0012', 'e0015']."),
]
On = Annotated[str | None, Field(description="The experiment to change; else the best.")]
Repeats = Annotated[int, Field(description="Runs of each combination.")]
Shown = Annotated[int | None, Field(description="Show the answer of this wave instead.")]


def add(server: MCPServer[Any], desk: Desk, workspace: Workspace) -> None:
    """Offer it."""

    @server.tool(structured_output=False)
    async def grid(ctx: Ctx, words: Words = None, on: On = None, repeats: Repeats = 1, wave: Shown = None) -> str:
        """Measure all combinations of some values, or of some kept changes, as one question: what each does, which do not
        stack, the best combination. At most 32 combinations, one question at a time; your own queue stays as it is."""
        if wave is not None:
            return await looked(partial(shown, workspace, wave))
        who = caller(ctx)
        said = checked(Grid, words=words or [], on=on, repeats=repeats)
        answer = await told(desk.ask(lambda story: story.grid(agent=who, **said)))
        return f"{queued(answer)} wait tells you the answer as news. Submit other changes meanwhile."
