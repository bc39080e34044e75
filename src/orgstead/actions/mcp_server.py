"""The actions as tools of the Model Context Protocol. Needs the extra ``mcp``.

https://modelcontextprotocol.io/specification/2025-11-25/server/tools
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations

import orgstead
from orgstead.actions.action import Action
from orgstead.actions.toolkit import TOOLKIT
from orgstead.client import AsyncClient

__all__ = ["ALLOWED", "make_server", "serve_stdio", "tool_of"]

ALLOWED = ("read", "write", "delete")
"""What a session may do; each includes what is before it."""

# What an agent can be given at once: it fits into a context, and is seldom wanted there.
MAX_ANSWER = 256 * 1024
INSTRUCTIONS = (
    "Rows of a CRM organisation that speaks the Dynamics 365 Web API. Find ids with search or search_accounts, names "
    "of tables and columns with describe, and read with get_record and read_query. Ids are GUIDs; times are ISO 8601 "
    "in UTC. An error says what to do next."
)

Actions = Mapping[str, Action[Any, Any]]


def tool_of(action: Action[Any, Any]) -> Tool:
    """An action as a tool: its schemas, its text, and what it does to the world."""
    return Tool(
        name=action.name,
        title=action.title,
        description=action.description,
        input_schema=action.input_schema,
        output_schema=action.output_schema,
        annotations=ToolAnnotations(
            title=action.title,
            read_only_hint=action.reads,
            destructive_hint=action.deletes or action.changes,
            idempotent_hint=action.idempotent,
            open_world_hint=False,
        ),
    )


def make_server(
    client_for: Callable[[Any], AsyncClient],
    *,
    allow: str = "read",
    actions: Actions = TOOLKIT,
    max_answer: int = MAX_ANSWER,
) -> Server[Any]:
    """A server whose tools are the actions that ``allow`` lets through.

    ``client_for`` answers the client of a request: it is given the HTTP request, or None over stdio. Raises ValueError
    for an ``allow`` that is none.
    """
    if allow not in ALLOWED:
        raise ValueError(f"allow is one of {', '.join(ALLOWED)}")
    shown = {name: each for name, each in actions.items() if needed(each) in _within(allow)}
    tools = [tool_of(each) for each in shown.values()]

    async def list_tools(context: Any, asked: Any) -> ListToolsResult:
        return ListToolsResult(tools=tools)

    async def call_tool(context: Any, asked: Any) -> CallToolResult:
        action = shown.get(asked.name)
        if action is None:
            return _refused(_why(asked.name, actions, shown))
        result = await action.run(client_for(context.request), asked.arguments or {})
        content = result.to_json()
        if not result.success:
            return CallToolResult(
                content=[TextContent(text=result.error or "")], structured_content=content, is_error=True
            )
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > max_answer:
            return _refused(
                f"The answer has {len(text.encode()) // 1024} KiB, and {max_answer // 1024} KiB at most are given: "
                "ask for fewer rows (records_per_page), a narrower filter or search, or fewer columns "
                "(read_query with the columns you need)."
            )
        return CallToolResult(content=[TextContent(text=text)], structured_content=content)

    return Server(
        "orgstead",
        title="Orgstead",
        version=orgstead.__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve_stdio(server: Server[Any]) -> None:
    """Answer on standard input and output until the input ends."""
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def needed(action: Action[Any, Any]) -> str:
    """What has to be allowed for an action."""
    return "read" if action.reads else "delete" if action.deletes else "write"


def _within(allow: str) -> tuple[str, ...]:
    return ALLOWED[: ALLOWED.index(allow) + 1]


def _why(name: str, actions: Actions, shown: Actions) -> str:
    if name in actions:
        word = needed(actions[name])
        return (
            f"{name} is not allowed here: this session may not {word}. Whoever runs the server can allow it with "
            f"--allow {word}, or ORGSTEAD_MCP={word} for the one in Orgstead. Do not try another way around it."
        )
    return f"There is no tool {name[:100]!r}. There are: {', '.join(shown)}."


def _refused(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)
