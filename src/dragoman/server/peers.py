"""The messages between the workers and the keeper of one gateway. The keeper is the process that does what
must be done only once on a machine.

Each worker has a line to the keeper (`server.lines`: a pair of connected sockets), and the keeper passes
messages on to the other workers. While no keeper runs, messages of workers wait for the next keeper, as many
as fit into the buffers of the line.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec

from dragoman.observe.board import Board
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.seams.peers import KeeperState, Peers
from dragoman.server.lines import Line

log = logging.getLogger("dragoman.server.peers")

ASK_PATIENCE: Final = 1.0
"""The most seconds for which `ask` waits for answers."""
_SIGN_EVERY: Final = 0.5
"""Seconds between two writes to the board by which the keeper shows that it is running."""
_ASKS: Final = 0xFFFF_FFFF
_NOTHING: Final = msgspec.Raw(b"null")


class _Letter(msgspec.Struct, frozen=True, array_like=True):
    """A message in the form in which it is sent. kind: `tell` = for all other processes; `hand` = for the
    keeper; `ask` = a question to all other processes; `answer` = an answer to a question; `nobody` = the
    asked process has no answer, or failed to make one. subject: what the message is about; it chooses the
    receiver in the other process. value: what the receiver gets, or the answer, as JSON. asker: the number of
    the process that asked the question, 0 = the keeper. number: the number of the question, the same in its
    answers. A `tell` or `hand` does not use `asker` and `number`.
    """

    kind: Literal["tell", "hand", "ask", "answer", "nobody"]
    subject: str
    value: msgspec.Raw = _NOTHING
    asker: int = 0
    number: int = 0


def _number(value: Any) -> float:
    """Return a number of a type that msgspec does not know, such as a Duration (a subclass of float), as a
    plain int or float. Raises TypeError for a value that is not an int or a float.
    """
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"a message cannot hold a {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_number).encode
_letter = msgspec.json.Decoder(_Letter).decode
_value = msgspec.json.Decoder().decode


class _Question(msgspec.Struct, eq=False):
    """A question of this process that waits for answers. missing: how many processes have not answered yet
    (`nobody` counts as an answer). done: finished when no answer is missing. answers: the values that have
    arrived.
    """

    missing: int
    done: asyncio.Future[None]
    answers: list[Any] = []

    def take(self, letter: _Letter) -> None:
        if letter.kind == "answer":
            self.answers.append(_value(letter.value))
        self.missing -= 1
        if self.missing <= 0 and not self.done.done():
            self.done.set_result(None)


class _Linked(Peers, ABC):
    """The part of `Peers` that is the same in workers and in the keeper. number: the number of this process,
    0 = the keeper; it marks the questions of this process.
    """

    alone = False

    def __init__(self, number: int, board: Board, seams: Seams) -> None:
        super().__init__()
        self._number = number
        self._board = board
        self._seams = seams
        self._asked = int(seams.uniform() * _ASKS)
        """The number of this process's latest question. It begins at a random number, so that a late answer
        to the process that this one replaces is not taken for an answer to this process.
        """
        self._questions: dict[int, _Question] = {}

    async def ask(self, subject: str, value: Any = None) -> list[Any]:
        asked = self._others()
        if not asked:
            return []
        self._asked = number = (self._asked + 1) & _ASKS
        question = _Question(asked, asyncio.get_running_loop().create_future())
        self._questions[number] = question
        self._put(_Letter("ask", subject, msgspec.Raw(_encode(value)), self._number, number))
        try:
            await asyncio.wait_for(question.done, ASK_PATIENCE)
        except TimeoutError:
            pass  # who has not answered has ended, or is busy
        finally:
            del self._questions[number]
        return question.answers

    def tell(self, subject: str, value: Any) -> None:
        self._put(_Letter("tell", subject, msgspec.Raw(_encode(value))))

    @abstractmethod
    def _others(self) -> int:
        """Return how many processes are expected to answer a question of this process."""

    @abstractmethod
    def _put(self, letter: _Letter) -> None:
        """Send a letter: from a worker to the keeper, or from the keeper to all workers."""

    def _receive(self, letter: _Letter) -> _Letter:
        """Call the receiver of the letter's subject. Return the letter to send back if `letter` is a
        question: an `answer` with the receiver's result, or a `nobody` if there is no receiver or it fails.
        A failure is logged.
        """
        nobody = _Letter("nobody", letter.subject, asker=letter.asker, number=letter.number)
        if (receiver := self._receivers.get(letter.subject)) is None:
            return nobody
        try:
            value = msgspec.Raw(_encode(receiver(_value(letter.value))))
        except Exception:
            log.exception("a message about %r could not be handled", letter.subject)
            return nobody
        return _Letter("answer", letter.subject, value, letter.asker, letter.number)

    def _answered(self, letter: _Letter) -> None:
        if (question := self._questions.get(letter.number)) is not None:
            question.take(letter)


def _send(line: Line | None, data: bytes, subject: str) -> None:
    if line is not None and not line.send(data):
        log.warning("a message about %r (%d bytes) was dropped: too many wait", subject, len(data))


class WorkerPeers(_Linked):
    """`Peers` in a worker. number: the number of this worker, from 1. line: the socket to the keeper."""

    keeps = False

    def __init__(self, number: int, line: socket.socket, board: Board, seams: Seams = SYSTEM) -> None:
        super().__init__(number, board, seams)
        self._end = line
        self._line: Line | None = None

    def open(self) -> None:
        if self._line is None:
            self._line = Line(self._end, self._heard)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def keeper(self) -> KeeperState:
        sign = self._board.read(self._board.keeper, self._seams.monotonic)
        return KeeperState("missing") if sign is None else KeeperState("running", int(sign))

    def hand(self, subject: str, value: Any) -> None:
        self._put(_Letter("hand", subject, msgspec.Raw(_encode(value))))

    def _others(self) -> int:
        now = self._seams.monotonic()
        if not self._board.present(self._board.keeper, now):
            return 0
        return 1 + self._board.workers(now, but=self._number)  # the keeper answers, too

    def _put(self, letter: _Letter) -> None:
        _send(self._line, _encode(letter), letter.subject)

    def _heard(self, data: bytes) -> None:
        letter = _letter(data)
        if letter.kind in {"answer", "nobody"}:
            self._answered(letter)
            return
        answer = self._receive(letter)
        if letter.kind == "ask":
            self._put(answer)


class KeeperPeers(_Linked):
    """`Peers` in the keeper. lines: the sockets to the workers, in the order of the workers' numbers."""

    def __init__(self, lines: Sequence[socket.socket], board: Board, seams: Seams = SYSTEM) -> None:
        super().__init__(0, board, seams)
        self._ends = lines
        self._lines: Mapping[int, Line] = {}
        self._signing: asyncio.TimerHandle | None = None

    def open(self) -> None:
        if not self._lines:
            self._lines = {
                number: Line(end, partial(self._heard, number)) for number, end in enumerate(self._ends, 1)
            }
            self._sign()

    def close(self) -> None:
        if self._signing is not None:
            self._signing.cancel()
        for line in self._lines.values():
            line.close()
        self._lines = {}

    def keeper(self) -> KeeperState:
        return KeeperState("here")

    def _sign(self) -> None:
        """Write to the shared board that the keeper is running. Repeat this every `_SIGN_EVERY` seconds."""
        self._board.write(self._board.keeper, b"%d" % os.getpid(), self._seams.monotonic())
        self._signing = asyncio.get_running_loop().call_later(_SIGN_EVERY, self._sign)

    def _others(self) -> int:
        return self._board.workers(self._seams.monotonic())

    def _put(self, letter: _Letter, but: int = 0) -> None:
        data = _encode(letter)
        for number, line in self._lines.items():
            if number != but:
                _send(line, data, letter.subject)

    def _heard(self, sender: int, data: bytes) -> None:
        letter = _letter(data)
        match letter.kind:
            case "hand":
                self._receive(letter)
            case "tell":
                self._put(letter, but=sender)
                if letter.subject in self._receivers:
                    self._receive(letter)
            case "ask":
                self._put(letter, but=sender)
                _send(self._lines.get(sender), _encode(self._receive(letter)), letter.subject)
            case _ if letter.asker:
                _send(self._lines.get(letter.asker), data, letter.subject)
            case _:
                self._answered(letter)
