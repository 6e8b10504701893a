"""What looks at the whole of a large request leaves the event loop to others, also once it is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.capacity.heavy import LARGE
from dragoman.dialects import estimate
from dragoman.testing.provider import Answer, Streamed, Whole
from dragoman.tokens import count
from dragoman.turns import sessions
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.test_estimated_usage import STREAMS, WHOLE
from tests.unit.turns.asking import Asker, Paced

LONG = "Some words that nobody counted. " * (LARGE // 16)
SAID = [{"role": "user", "content": LONG}]


class Threads:
    """Runs what it stands for, and remembers in which threads that was."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        self.seen: list[bool] = []
        """Whether it was the thread of the event loop."""

    def __call__(self, *given: Any) -> Any:
        self.seen.append(threading.current_thread() is threading.main_thread())
        return self._run(*given)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Threads:
    threads = Threads(count)
    monkeypatch.setattr(estimate, "count", threads)
    return threads


CASES: dict[str, tuple[str, Answer, bool]] = {
    "relayed": ("openai_chat", Whole(WHOLE["openai_chat"]), False),
    "relayed, whole for a stream": ("openai_chat", Whole(WHOLE["openai_chat"]), True),
    "relayed, a stream for a whole": ("openai_chat", Streamed(STREAMS["openai_chat"]), False),
    "translated": ("mistral", Whole(WHOLE["mistral"]), False),
    "translated, streamed": ("mistral", Streamed(STREAMS["mistral"]), True),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_large_request_is_counted_beside_the_loop(
    visit: Visit, provide: Provide, counting: Threads, case: str
) -> None:
    dialect, answer, stream = CASES[case]
    provider = await provide(answer)
    site = await visit(up(provider.url, dialect))
    body = {
        "model": "up/m",
        "messages": SAID,
        "stream": stream,
        **({"stream_options": {"include_usage": True}} if stream else {}),
    }
    async with site.session.post(f"{site.base}/v1/chat/completions", json=body) as told:
        text = await told.text()
    assert told.status == 200, text
    assert '"estimated":true' in text
    assert counting.seen == [False]


async def test_a_long_history_is_recognised_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digesting, reading = Threads(sessions.digest), Threads(sessions.read)
    monkeypatch.setattr(sessions, "digest", digesting)
    monkeypatch.setattr(sessions, "read", reading)
    asker = Asker(Paced(*["Hi.", "end"] * 2), tmp_path, '{"sessions": {"by": ["history"]}}')
    for messages in (SAID, [*SAID, {"role": "assistant", "content": "Hi."}, *SAID]):
        answer = await asker.ask("POST", "/v1/chat/completions", {"model": "own/m", "messages": messages})
        assert answer.status == 200
    assert digesting.seen == [False] * 4
    assert reading.seen == [False]
    await asker.close()


async def test_a_session_weighs_as_much_as_its_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counting: Threads
) -> None:
    """A short request that continues a long session is a large one."""
    reading = Threads(sessions.read)
    monkeypatch.setattr(sessions, "read", reading)
    asker = Asker(Paced(*["Hi.", "end"] * 2))
    for text in (LONG, "And now?"):
        body = {"model": "own/m", "messages": [{"role": "user", "content": text}]}
        answer = await asker.ask("POST", "/v1/chat/completions", body, x_session_id="s")
        assert answer.status == 200
    assert reading.seen[-1:] == [False]
    assert counting.seen == [False, False]
    await asker.close()
