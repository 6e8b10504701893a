"""Which providers are checked, and by whom."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.gateway import Gateway

UP = {"base_url": "https://up.example", "keys": []}


@pytest.mark.parametrize(("keeps", "running"), [(True, ["checking one"]), (False, [])])
def test_providers_with_a_check_are_checked_by_the_keeper_alone(keeps: bool, running: list[str]) -> None:
    async def run() -> None:
        gateway = Gateway({"providers": {"one": {**UP, "check": "1h"}, "two": UP}})
        gateway.peers.keeps = keeps
        await gateway.start()

        def checking() -> list[str]:
            return [name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("checking")]

        assert checking() == running
        await gateway.close()
        await asyncio.sleep(0)
        assert checking() == []

    asyncio.run(run())
