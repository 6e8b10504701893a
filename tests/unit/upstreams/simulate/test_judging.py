"""The simulator judges by listed words and ranks by shared ones, the same every time."""

from __future__ import annotations

from pathlib import Path

from dragoman import ir
from dragoman.upstreams.simulate.judging import WORDS, judged, ranked

PAGE = Path(__file__).parents[4] / "docs" / "simulator.md"


def request(*inputs: str) -> ir.ModerationRequest:
    return ir.ModerationRequest("openai_chat", None, tuple((ir.Text(text),) for text in inputs))


def test_listed_words_flag_their_category_and_no_other() -> None:
    for category, listed in WORDS.items():
        for word in listed:
            (judgement,) = judged(request(f"They say {word.upper()}!"), "m").judgements
            assert judgement.flagged
            assert [key for key, flag in judgement.categories.items() if flag] == [category]
            assert judgement.scores[category] == 0.9
            assert sum(judgement.scores.values()) == 0.9


def test_parts_of_words_and_pictures_flag_nothing() -> None:
    told = judged(request("skills and hatred", ""), "m")
    assert [judgement.flagged for judgement in told.judgements] == [False, False]
    picture = ir.Media("image", url="https://x.example/kill.png")
    mixed = ir.ModerationRequest("openai_chat", None, ((picture,), (picture, ir.Text("murder, kill"))))
    alone, beside = judged(mixed, "m").judgements
    assert (alone.flagged, alone.kinds) == (False, dict.fromkeys(WORDS, ()))
    assert (beside.scores["violence"], beside.kinds) == (0.99, dict.fromkeys(WORDS, ("text",)))


def test_the_page_lists_the_words() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for category, listed in WORDS.items():
        if listed:
            assert f"`{category}` ({', '.join(sorted(listed))})" in page.replace("\n", " ")


def test_shared_words_rank() -> None:
    documents = ("cats", "Paris, the capital", {"title": "France", "text": "its capital"}, "", "cats")
    asked = ir.RerankRequest("openai_chat", None, "the capital of France", documents)
    told = ranked(asked, "m")
    assert [result.index for result in told.results] == [1, 2, 0, 3, 4]
    assert [result.score for result in told.results] == [0.57735, 0.57735, 0.0, 0.0, 0.0]
    assert told == ranked(asked, "m")
    same = ir.RerankRequest("openai_chat", None, "cats", documents, top=1)
    assert [(result.index, result.score) for result in ranked(same, "m").results] == [(0, 1.0)]
    assert ranked(ir.RerankRequest("openai_chat", None, "?", ("a",)), "m").results[0].score == 0.0
