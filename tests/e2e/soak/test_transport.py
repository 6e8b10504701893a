"""The transport alone, under many streams and mixed faults for minutes: each answer is one of the provider's
log, and neither memory nor descriptors grow.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from dragoman.errors import RequestFailed
from dragoman.net.client import Head
from dragoman.net.transport import Answer, Transport
from dragoman.routing.route import Timers
from tests.e2e.soak.processes import MB, Held, Providers, descriptors, providing
from tests.e2e.soak.stub import AFTER_CONTENT, FAULTS, GOOD, PIECES

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc"),
]
MOST = 2_000_000
"""How many calls are made at most: what became of each is kept in memory that is there from the start."""
WHOLE, REFUSED, FAILED, LEFT = 1, 2, 3, 4
"""What became of a call: a good answer, one with an error's status, none or half of one; its caller left."""
PIECE = re.compile(rb"soak-(\d+)-[0-9a-f]{8}/(\d+):(\d+) ")
TIMERS = Timers(first_byte=8.0, idle=8.0)


class Calls:
    """Callers without a pause, and what became of each of their calls, by its number."""

    def __init__(self, providers: Providers) -> None:
        self.transports = {name: Transport(name=name) for name in FAULTS}
        self.became = bytearray(MOST)
        self.codes = Counter[str]()
        self.answers = array("l", bytes(MOST * array("l").itemsize))
        """The number of the provider's call that a good answer named."""
        self.asked = 0
        self.stopped = False
        self.problems: list[str] = []
        headers = CIMultiDict({"content-type": "application/json", "authorization": "Bearer key"})
        self._heads = {name: Head("POST", URL(f"{providers.url}/{name}"), headers) for name in FAULTS}
        self._random = random.Random(16)

    async def run(self) -> None:
        while not self.stopped:
            number, self.asked = self.asked, self.asked + 1
            name = self._random.choice([*FAULTS])
            streamed = self._random.random() < 0.9
            leaves = streamed and self._random.random() < 0.03
            marker = f"soak-{number}-{self._random.getrandbits(32):08x}"
            asked = {"model": "m", "stream": streamed, "messages": [{"role": "user", "content": marker}]}
            body = json.dumps(asked).encode()
            try:
                answer = await self.transports[name].send(self._heads[name], body, TIMERS)
                self.became[number] = await self._read(answer, number, streamed=streamed, leaves=leaves)
            except RequestFailed as failed:
                self.became[number] = FAILED
                self.codes[failed.fault.code or failed.fault.kind] += 1

    async def _read(self, answer: Answer, number: int, *, streamed: bool, leaves: bool) -> int:
        """Read one answer, and hold it against what was asked. Returns what became of it."""
        try:
            if not streamed or answer.status != 200:
                data = await answer.read()
            else:
                data = b""
                while chunk := await answer.chunk():
                    data += chunk
                    if leaves and PIECE.search(data):
                        return LEFT
        finally:
            answer.close()
        if answer.status != 200:
            return REFUSED
        return self._whole(data, number)

    def _whole(self, data: bytes, number: int) -> int:
        pieces = [tuple(map(int, piece)) for piece in PIECE.findall(data)]
        if b"{nothing of JSON" in data or len(pieces) < PIECES:
            # The transport hands on what has come; that it is not whole is for whoever reads events.
            self.problems.append(f"call {number} ended well after {len(pieces)} pieces: {data[-200:]!r}")
        if {piece[0] for piece in pieces} != {number} or len({piece[1] for piece in pieces}) != 1:
            self.problems.append(f"call {number} was answered with pieces of others: {pieces}")
        if [piece[2] for piece in pieces] != list(range(PIECES)):
            self.problems.append(f"call {number} was answered with pieces in another order: {pieces}")
        self.answers[number] = pieces[0][1] if pieces else -1
        return WHOLE

    def judge(self, log: list[dict[str, Any]]) -> None:
        """Hold each call against the provider's log. Appends to `problems`."""
        seen = Counter[int]()
        for call in log:
            number = int(call["marker"].split("-")[1])
            seen[number] += 1
            wrong = _wrong(self.became[number], call, self.answers[number])
            if wrong:
                self.problems.append(f"{wrong}: {call}, {self.became[number]}")
        self.problems += [f"call {number} came {count} times" for number, count in seen.items() if count > 1]
        missing = self.asked - len(seen)
        if missing:
            self.problems.append(f"{missing} calls have not come")

    async def close(self) -> None:
        for transport in self.transports.values():
            await transport.close()


def _wrong(became: int, call: dict[str, Any], answered: int) -> str:
    good = call["fault"] in GOOD
    if became == WHOLE:
        return "" if good and call["done"] and answered == call["number"] else "a good answer of a bad call"
    if became == REFUSED:
        return "" if call["fault"].isdigit() else "an error that the provider has not sent"
    if became == FAILED:
        failing = call["fault"] in {"reset", "silent", "empty", *AFTER_CONTENT}
        return "" if failing else "a good call failed"
    return "" if became == LEFT else "no answer"


async def test_each_answer_of_the_transport_is_one_of_the_log(pytestconfig: pytest.Config) -> None:
    seconds = pytestconfig.getoption("--soak-seconds")
    streams = pytestconfig.getoption("--soak-streams") * 5 // 2
    me = {os.getpid()}
    held = Held(lambda: me)
    with providing(0.1) as providers:
        calls = Calls(providers)
        opened = descriptors(me)
        asking = [asyncio.ensure_future(calls.run()) for _ in range(streams)]
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            await asyncio.sleep(1)
            held.look(time.monotonic() - begun)
            assert not any(one.done() for one in asking)
        calls.stopped = True
        await asyncio.gather(*asking)
        idle = descriptors(me)
        await calls.close()
        async with asyncio.timeout(60):
            while descriptors(me) > opened:  # noqa: ASYNC110 - the kernel's
                await asyncio.sleep(0.1)
        async with aiohttp.ClientSession() as session, session.get(f"{providers.url}/log") as response:
            log = (await response.json())["calls"]
    calls.judge(log)
    grown = held.grown(60 if seconds > 180 else seconds / 3)
    became = Counter(calls.became[: calls.asked])
    print(f"\n{streams} streams, {calls.asked} calls: {became[WHOLE]} whole, {became[REFUSED]} refused,")
    print(f"{became[FAILED]} failed {dict(calls.codes)}, {became[LEFT]} left")
    print(f"descriptors {opened}, {idle} with idle connections; grown by {grown / MB} MB")
    for at, sizes in held.seen[:: max(1, len(held.seen) // 20)]:
        print(f"{at:6.0f} s", *(f"{size / MB:.1f}" for size in sizes.values()), "MB")
    print(*calls.problems[:40], sep="\n")
    assert len(calls.problems) == 0
    assert grown <= 10 * MB
