"""Calls the six tools with the official MCP SDK over stdio and prints what it saw as JSON.

Runs in an environment of its own: `mcp` 2 speaks the protocol of 2026-07-28, `mcp` 1 that of
2025-11-25. Arguments: the MCP server's program, the master's URL, calls as JSON
(`[["get_trend", {"limit": 3}], ...]`), a resource address to read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import mcp
from mcp import StdioServerParameters


def plain(answer: Any) -> Any:
    return answer.model_dump(mode="json", by_alias=True, exclude_none=True)


async def talk(session: Any, calls: list[Any], uri: str) -> dict[str, Any]:
    return {
        "tools": plain(await session.list_tools())["tools"],
        "templates": plain(await session.list_resource_templates())["resourceTemplates"],
        "resources": plain(await session.list_resources())["resources"],
        "answers": [plain(await session.call_tool(tool, given)) for tool, given in calls],
        "resource": plain(await session.read_resource(uri))["contents"],
    }


async def main() -> dict[str, Any]:
    program, master_url, calls, uri = sys.argv[1:]
    server = StdioServerParameters(
        command=program, args=[], env={"MASTER_URL": master_url, "PATH": os.environ["PATH"]}
    )
    if hasattr(mcp, "Client"):
        async with mcp.Client(server, mode="auto") as client:
            seen = await talk(client, json.loads(calls), uri)
            return {**seen, "version": str(client.protocol_version)}
    from mcp.client.stdio import stdio_client
    from pydantic import AnyUrl

    async with stdio_client(server) as (reading, writing):
        async with mcp.ClientSession(reading, writing) as session:
            version = (await session.initialize()).protocolVersion
            return {**await talk(session, json.loads(calls), AnyUrl(uri)), "version": version}


print(json.dumps(asyncio.run(main())))
