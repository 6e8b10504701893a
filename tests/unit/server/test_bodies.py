"""Bodies are bounded in size, and in the time in which they may stand still."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from dragoman.errors import RequestFailed
from dragoman.seams.deadlines import Deadlines
from dragoman.server.bodies import Pace, body_parts, stated_size
from dragoman.server.client import ClientGone


def receiving(steps: Iterable[tuple[float, bytes, bool]]) -> Any:
    """ASGI's receive, from pauses, pieces and whether more follows."""
    rest = iter(steps)

    async def receive() -> dict[str, Any]:
        pause, piece, more = next(rest)
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": piece, "more_body": more}

    return receive


async def joined(receive: Any, length: str | None, limit: int, pace: Pace) -> bytes:
    return b"".join([part async for part in body_parts(receive, length, limit, pace)])


def pace(patience: float | None, rate: int = 1000) -> Pace:
    return Pace(Deadlines(asyncio.get_running_loop()), patience, rate)


async def test_a_body_is_joined() -> None:
    steps = [(0, b"one", True), (0, b"", True), (0, b"two", False)]
    for chosen in (pace(1), pace(None)):
        assert await joined(receiving(steps), None, 6, chosen) == b"onetwo"


@pytest.mark.parametrize("length", ["7", None])
async def test_what_is_too_large_is_refused(length: str | None) -> None:
    steps = [(0, b"onetwo", True), (0, b"3", False)]
    with pytest.raises(RequestFailed) as refused:
        await joined(receiving(steps), length, 6, pace(1))
    assert refused.value.fault.code == "request_too_large"


async def test_who_leaves_is_gone() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        await joined(receive, None, 6, pace(1))


@pytest.mark.parametrize("drip", [[(60, b"x", True)], [(0.04, b"x", True)] * 200], ids=["stops", "drips"])
async def test_a_body_that_stands_still_ends(drip: list[tuple[float, bytes, bool]]) -> None:
    async with asyncio.timeout(60):
        with pytest.raises(RequestFailed) as refused:
            await joined(receiving(drip), None, 1000, pace(0.2))
    assert refused.value.fault.code == "request_timeout"


async def test_a_body_that_flows_may_take_its_time() -> None:
    flow = [(0.03, b"x" * 100, True)] * 20 + [(0.0, b"", False)]
    assert len(await joined(receiving(flow), None, 10_000, pace(0.2))) == 2000


async def test_any_byte_will_do_without_a_rate() -> None:
    drip = [(0.05, b"x", True)] * 10 + [(0.0, b"", False)]
    assert len(await joined(receiving(drip), None, 100, pace(0.2, rate=0))) == 10


async def test_the_readers_own_time_is_not_the_clients() -> None:
    taken = 0
    async for piece in body_parts(receiving([(0, b"x", True)] * 5 + [(0, b"x", False)]), None, 10, pace(0.1)):
        taken += len(piece)
        await asyncio.sleep(0.1)
    assert taken == 6


def test_time_never_grows_beyond_the_patience() -> None:
    chosen = Pace(None, 10.0, 100)  # type: ignore[arg-type]
    assert chosen.earned(10.0, 2.0, 1_000_000) == 10.0
    assert chosen.earned(10.0, 2.0, 100) == 9.0
    assert chosen.earned(1.0, 2.0, 0) == -1.0


@pytest.mark.parametrize(
    ("stated", "size"),
    [("0", 0), ("12", 12), (None, None), ("", None), ("²", None), ("-1", None), ("1" * 9999, int("1" * 20))],
    ids=lambda value: str(value)[:12],
)
def test_a_stated_length_is_read_or_ignored(stated: str | None, size: int | None) -> None:
    assert stated_size(stated) == size
