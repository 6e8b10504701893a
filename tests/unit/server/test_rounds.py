"""All workers use another configuration, or none does: the parent's part as transcripts."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import pytest

from dragoman.assembly.reload import Outcome
from dragoman.config.differences import fingerprint
from dragoman.config.load import load
from dragoman.errors import Problem
from dragoman.server.rounds import LIMIT, Rounds, brief


class Stage:
    """The parent's rounds, the messages that they send, and what is told."""

    def __init__(self, folder: Path, *workers: int) -> None:
        self.file = folder / "dragoman.yaml"
        self.file.write_text("strict: false")
        loaded = load(self.file, {"DRAGOMAN_HOME": str(folder)})
        self.workers = list(workers)
        self.sent: list[tuple[int, Any]] = []
        self.told: list[Outcome] = []
        self.lost: list[int] = []
        self.mark = fingerprint(loaded.config)
        self.rounds = Rounds(
            loaded,
            self.mark,
            send=lambda number, message: self.sent.append((number, message)),
            running=lambda: self.workers,
            told=self.told.append,
            lost=self.lost.append,
        )

    def begin(self, text: str = "strict: true", now: float = 0.0, **how: Any) -> None:
        self.file.write_text(text)
        self.rounds.begin(now, **how)

    def did(self, number: int, what: str, now: float = 1.0, round_: int = 1) -> None:
        self.rounds.heard(number, {"round": round_, "did": what}, now)

    def said(self) -> list[tuple[int, str]]:
        sent, self.sent = self.sent, []
        return [(number, message.get("do", "answer")) for number, message in sent]

    @property
    def strict(self) -> object:
        return self.rounds.loaded.config.strict


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, 1, 2)


def test_it_is_used_when_all_have_prepared_it(stage: Stage) -> None:
    stage.begin(asker=(2, "mark"))
    assert stage.said() == [(1, "prepare"), (2, "prepare")]
    assert (stage.rounds.phase, stage.rounds.due, stage.strict) == ("preparing", LIMIT, False)
    stage.did(2, "prepare")
    assert stage.said() == []
    stage.did(1, "prepare", 2.0)
    assert stage.said() == [(1, "use"), (2, "use")]
    assert (stage.rounds.phase, stage.rounds.due, stage.strict) == ("using", 2.0 + LIMIT, True)
    stage.did(1, "use")
    assert stage.told == []
    stage.did(2, "use")
    ((asker, answer),) = stage.sent
    assert (asker, answer["answer"], answer["outcome"]["problems"]) == (2, "mark", [])
    assert (stage.rounds.phase, stage.rounds.due) == ("rest", inf)
    (outcome,) = stage.told
    assert [one.setting for one in outcome.changed] == ["strict"]
    assert outcome.hash == fingerprint(stage.rounds.loaded.config) != stage.mark


def test_what_the_parent_cannot_load_nobody_prepares(stage: Stage) -> None:
    stage.begin("strict: perhaps", asker=(1, 7))
    assert stage.said() == [(1, "drop"), (2, "drop"), (1, "answer")]
    assert (stage.rounds.phase, stage.strict) == ("rest", False)
    (outcome,) = stage.told
    assert (outcome.problems[0].line, outcome.hash) == (1, stage.mark)


def test_what_one_cannot_prepare_nobody_uses(stage: Stage) -> None:
    stage.begin()
    stage.did(1, "prepare")
    stage.rounds.heard(2, {"round": 1, "did": "prepare", "problems": [["a", "is bad"]]}, 1.0)
    assert stage.said() == [(1, "prepare"), (2, "prepare"), (1, "drop"), (2, "drop")]
    assert stage.told[0].problems == (Problem("a", "is bad"),)
    assert (stage.rounds.phase, stage.strict) == ("rest", False)


def test_who_takes_too_long_to_prepare_keeps_all_from_it(stage: Stage) -> None:
    stage.begin()
    stage.did(1, "prepare")
    stage.rounds.tick(LIMIT - 1)
    assert stage.rounds.phase == "preparing"
    stage.rounds.tick(LIMIT)
    assert stage.said()[2:] == [(1, "drop"), (2, "drop")]
    assert "worker 2 did not prepare it" in stage.told[0].problems[0].message
    stage.did(2, "prepare", LIMIT + 1)
    assert stage.said() == [], "it is too late"
    stage.begin(now=LIMIT + 2)
    stage.did(2, "prepare", LIMIT + 3)
    stage.did(1, "prepare", LIMIT + 3, 2)
    assert stage.rounds.phase == "preparing", "the first round's answer is not the second's"


def test_who_does_not_use_what_was_decided_is_ended(stage: Stage) -> None:
    stage.begin()
    stage.did(1, "prepare", 0.0)
    stage.did(2, "prepare", 0.0)
    stage.did(1, "use")
    stage.rounds.tick(LIMIT)
    assert stage.lost == [2]
    assert (stage.rounds.phase, stage.strict, len(stage.told)) == ("rest", True, 1)


def test_who_dies_is_not_waited_for(stage: Stage) -> None:
    stage.begin(asker=(2, 1))
    stage.did(1, "prepare")
    stage.workers.remove(2)
    stage.rounds.gone(2, 1.0)
    assert stage.said() == [(1, "prepare"), (2, "prepare"), (1, "use")]
    stage.rounds.gone(1, 1.0)
    assert (stage.rounds.phase, stage.strict, stage.said()) == ("rest", True, [])


def test_without_a_worker_it_is_decided_at_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    assert (stage.rounds.phase, stage.strict, len(stage.told)) == ("rest", True, 1)


def test_who_asks_while_a_round_runs_gets_the_next(stage: Stage) -> None:
    stage.begin()
    stage.rounds.heard(1, {"ask": 5}, 0.5)
    stage.rounds.heard(2, {"ask": 6}, 0.5)
    stage.did(1, "prepare")
    stage.did(2, "prepare")
    stage.said()
    stage.did(1, "use")
    stage.did(2, "use")
    assert stage.said() == [(1, "answer"), (2, "answer")], "nothing has changed since"
    assert [len(outcome.changed) for outcome in stage.told] == [1, 0]


def test_nothing_new_disturbs_no_worker(stage: Stage) -> None:
    stage.begin("strict: false", quiet=True)
    assert (stage.sent, stage.told) == ([], [])
    stage.begin("nonsense: 1", quiet=True)
    stage.begin("nonsense: 1", quiet=True)
    assert len(stage.told) == 1
    stage.said()
    stage.begin("strict: false", quiet=True)
    assert stage.said() == [(1, "prepare"), (2, "prepare")], "they forget the problems"


def test_a_setting_that_waits_for_a_restart_is_told_once(stage: Stage) -> None:
    for text in ("server: {port: 5000}", "server: {port: 5000}", "nonsense: 1", "server: {port: 5000}"):
        stage.begin(text, quiet=True)
        for what in ("prepare", "use"):
            for number in stage.workers:
                stage.did(number, what, round_=stage.rounds._number)
    assert [(outcome.restart, outcome.failed) for outcome in stage.told] == [
        (("server.port",), False),
        ((), True),
        (("server.port",), False),
    ]
    stage.begin("server: {port: 5000}", quiet=True)
    assert len(stage.told) == 3
    stage.begin("server: {port: 5000, host: '127.0.0.2'}", quiet=True)
    assert stage.told[-1].restart == ("server.host", "server.port")


def test_an_unexpected_mistake_does_not_end_the_parent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> Any:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("dragoman.server.rounds.compared", breaks)
    stage.begin()
    assert "ZeroDivisionError" in stage.told[0].problems[0].message


def test_messages_are_bounded() -> None:
    shown = brief([Problem("a", "x" * 10_000)] * 100)
    assert (len(shown), len(shown[0][1])) == (20, 500)
