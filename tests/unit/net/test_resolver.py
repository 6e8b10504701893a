"""Names in requests: what a silent name server can hold up, and what it cannot."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dragoman.net.resolver import CLIENT, Resolver, Unresolved

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))]


class Silent:
    """A name server that keeps silent about names that begin with "slow". asked: in order."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, *_: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.answers.wait(30)
        return FOUND


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.answers.set()


async def asking(resolver: Resolver, client: str, host: str) -> Any:
    CLIENT.set(client)
    return await resolver.resolve(host, 80)


async def settled(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


async def test_the_addresses_of_a_name_are_those_that_the_system_knows() -> None:
    found = await Resolver().resolve("localhost", 80)
    assert {entry["host"] for entry in found} <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match=r".+"):
        await Resolver().resolve("no-such-host.invalid", 80)


async def test_a_client_with_slow_names_holds_up_itself_alone(silent: Silent) -> None:
    resolver = Resolver(threads=8, seconds=None, lookup=silent)
    mine = [asyncio.ensure_future(asking(resolver, "a", f"slow{index}")) for index in range(20)]
    await settled(lambda: len(silent.asked) == 2)  # a quarter of the threads
    found = await asking(resolver, "b", "other.example")
    assert found[0]["host"] == "8.8.8.8"
    assert len(silent.asked) == 3
    silent.answers.set()
    await asyncio.gather(*mine)


async def test_slow_names_hold_up_no_providers_names(silent: Silent) -> None:
    resolver = Resolver(threads=8, seconds=None, lookup=silent)
    clients = [asyncio.ensure_future(asking(resolver, f"c{index}", "slow.example")) for index in range(40)]
    await settled(lambda: len(silent.asked) == 8)
    loop = asyncio.get_running_loop()
    assert await asyncio.wait_for(loop.getaddrinfo("localhost", 80), 60)
    assert await asyncio.wait_for(asyncio.to_thread(lambda: True), 60)
    silent.answers.set()
    await asyncio.gather(*clients)


async def test_a_look_up_ends_after_its_time_and_its_thread_when_the_system_says(silent: Silent) -> None:
    resolver = Resolver(threads=1, seconds=0.05, lookup=silent)
    with pytest.raises(Unresolved) as late:
        await asking(resolver, "a", "slow.example")
    assert not late.value.busy
    with pytest.raises(Unresolved) as crowded:
        await asking(resolver, "b", "fast.example")
    assert crowded.value.busy
    assert silent.asked == ["slow.example"]
    silent.answers.set()
    for _ in range(100):
        try:
            await asking(resolver, "b", "fast.example")
            break
        except Unresolved:
            await asyncio.sleep(0.02)  # the thread has not heard yet
    assert silent.asked == ["slow.example", "fast.example"]


async def test_what_a_look_up_raises_reaches_who_asked() -> None:
    def lookup(*_: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    resolver = Resolver(threads=1, lookup=lookup)
    for _ in range(3):  # and the thread is free again
        with pytest.raises(socket.gaierror):
            await resolver.resolve("nowhere.example", 80)


async def test_a_name_that_is_too_long_is_not_looked_up(silent: Silent) -> None:
    with pytest.raises(OSError, match="too long"):
        await Resolver(lookup=silent).resolve("a." * 127 + "com", 80)
    assert not silent.asked


async def test_an_address_of_a_link_names_its_link() -> None:
    info = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 80, 0, 3))
    found = await Resolver(lookup=lambda *_: [info]).resolve("link.example", 80)
    assert found[0]["host"] == "fe80::1%3"


def test_a_thread_that_still_waits_holds_up_no_exit(silent: Silent) -> None:
    async def main() -> None:
        with pytest.raises(Unresolved):
            await Resolver(threads=1, seconds=0.05, lookup=silent).resolve("slow.example", 80)

    asyncio.run(main())
    left = [thread for thread in threading.enumerate() if thread.name == "dragoman-resolver"]
    assert all(thread.daemon for thread in left)
    silent.answers.set()  # whose end no loop hears
    for thread in left:
        thread.join(10)
