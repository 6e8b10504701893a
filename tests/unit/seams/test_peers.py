from __future__ import annotations

from dragoman.seams.peers import KeeperState, Peers


async def test_alone_a_process_is_its_own_keeper() -> None:
    peers = Peers()
    heard: list[object] = []
    peers.receive("alert", heard.append)
    peers.open()
    peers.hand("alert", {"what": "down"})
    assert heard == [{"what": "down"}]
    assert (peers.keeps, peers.alone, peers.keeper()) == (True, True, KeeperState("here"))
    peers.close()


async def test_alone_nobody_else_is_told_or_answers() -> None:
    peers = Peers()
    heard: list[object] = []
    peers.receive("health", heard.append)
    peers.tell("health", 1)
    assert await peers.ask("health", 2) == []
    assert heard == []
