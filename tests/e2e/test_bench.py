"""The processes of the benchmark start, and every scenario is answered right: it measures what it says."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.instructions import STREAM_MODELS
from bench.processes import Cores
from bench.scenarios import SCENARIOS
from bench.stage import Stage, Target
from bench.streams import models_of
from bench.windows import QUICK


async def test_every_scenario_is_answered_right(tmp_path: Path) -> None:
    models = {scenario.model.format(events=10) for scenario in SCENARIOS} | models_of(QUICK) | STREAM_MODELS
    stage = await Stage.build(Cores(None, None), tmp_path, tuple(sorted(models)))
    ports: dict[Target, int] = {"direct": stage.provider.port}
    started = []
    try:
        for target in {scenario.target for scenario in SCENARIOS} - {"direct"}:
            if target == "floor-tls" and stage.tls is None:
                continue
            process = stage.start(target)
            started.append(process)
            ports[target] = process.port
        for process in started:
            await process.ready()
        asked = [
            scenario
            for scenario in SCENARIOS
            if scenario.target in ports and (stage.tls is not None or scenario.prefix != "tls-")
        ]
        # All at once, because some streams are slow on purpose.
        times = await asyncio.gather(*(scenario.shots(ports[scenario.target], 10) for scenario in asked))
        assert [one.key for one, taken in zip(asked, times, strict=True) if not taken] == []
    finally:
        for process in (*started, stage.provider):
            process.stop()
