"""The side of a worker, or of the keeper, in the connection to the parent process: it carries out the
parent's messages about reloads, and asks the parent for a reload.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from typing import Final

import msgspec

from dragoman.assembly.reload import Outcome, Prepared, Reloads
from dragoman.errors import ConfigError, Problem
from dragoman.seams.tasks import spawn
from dragoman.server.orders import Message, send, written
from dragoman.server.rounds import LIMIT, brief

log = logging.getLogger("dragoman.server.parent")

_PATIENCE: Final = 4 * LIMIT
"""The most seconds for which a question waits for the parent's answer: two rounds."""
_NO_ANSWER: Final = Problem("", "the parent process does not answer")
_CHANGED: Final = Problem("", "has changed while the workers were reading it; load it again")


class Parent:
    """The parent process, as a worker or the keeper sees it. line: the socket to the parent. reloads: the
    reloads of this process's gateway. The constructor makes them ask the parent for each reload
    (`reloads.through`).
    """

    def __init__(self, line: socket.socket, reloads: Reloads) -> None:
        self._line = line
        self._reloads = reloads
        self._prepared: Prepared | None = None
        self._marks = itertools.count()
        self._asked: dict[int, asyncio.Future[Outcome]] = {}
        self._doing: asyncio.Task[None] | None = None
        self._ended = False
        reloads.through = self.ask

    async def ask(self) -> Outcome:
        """Ask the parent to reload the configuration in all processes, and return the outcome. A failure is
        in the outcome's `problems`. If the parent does not answer within `_PATIENCE` seconds, or if this
        gateway stops (`give_up`), the only problem is that the parent does not answer.
        """
        if self._ended:
            return self._unanswered()
        mark = next(self._marks)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._asked[mark] = answer
        self._say({"ask": mark})
        try:
            async with asyncio.timeout(_PATIENCE):
                return await answer
        except TimeoutError:
            return self._unanswered()
        finally:
            del self._asked[mark]

    def give_up(self) -> None:
        """End each waiting `ask` now, because the gateway stops. The waiting calls and all later calls of
        `ask` return an outcome with the problem that the parent does not answer.
        """
        self._ended = True
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(self._unanswered())

    def _unanswered(self) -> Outcome:
        return Outcome(hash=self._reloads.hash, problems=(_NO_ANSWER,))

    def heard(self, message: Message) -> None:
        """Handle a message of the parent: the answer to an `ask`, or the next step of a reload: prepare the
        new configuration, use it, or drop it. The steps run in tasks, one after another; the first two are
        answered. An answer for which nobody waits any more is ignored.
        """
        if "answer" in message:
            answer = self._asked.get(message["answer"])
            if answer is not None and not answer.done():
                answer.set_result(msgspec.convert(message["outcome"], Outcome))
            return
        # One after another: what is used or dropped has been prepared before.
        self._doing = spawn(self._after(self._doing, message), "reloading")

    async def _after(self, before: asyncio.Task[None] | None, message: Message) -> None:
        if before is not None:
            await asyncio.wait([before])
        told = {"round": message["round"], "did": message["do"]}
        match message["do"]:
            case "prepare":
                self._say({**told, **await self._prepare(message["hash"])})
            case "use":
                if self._prepared is not None:
                    self._reloads.use(self._prepared)
                    self._prepared = None
                self._say(told)
            case "drop":
                self._reloads.refuse(msgspec.convert(message["problems"], list[Problem]))
                await self._drop()

    async def _prepare(self, mark: str) -> Message:
        """Load and prepare the configuration; drop one that was prepared before and not used. mark: the hash
        that the configuration must have, so that all processes use the same one. Return the fields of the
        answer to the parent: {} if the configuration is prepared, else {"problems": […]}.
        """
        try:
            await self._drop()
            self._prepared = await self._reloads.prepare()
        except ConfigError as error:
            return {"problems": brief(error.problems)}
        except Exception as error:
            log.exception("the configuration could not be prepared")
            return {"problems": brief([Problem("", f"could not be used: {type(error).__name__}")])}
        if self._prepared.outcome.hash != mark:
            await self._drop()
            return {"problems": brief([_CHANGED])}
        return {}

    async def _drop(self) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            await self._reloads.drop(prepared)

    def _say(self, message: Message) -> None:
        if not send(self._line, written(message)):
            log.warning("the parent process does not listen")
