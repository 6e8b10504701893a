"""Conditions that can never hold are refused where they are written."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Load, Mistakes

HEAD = (
    "providers: {a: {base_url: 'http://127.0.0.1:1', keys: []}}\n"
    "auth: {keys: [{name: team-blue, key: a-key-of-sixteen-characters}]}\n"
    "models:\n  m:\n"
)


def settings(when: str, more: str = "") -> str:
    return f"{HEAD}    deployments:\n    - {{use: a/x{more}, when: {when}}}\n    - a/y\n"


@pytest.mark.parametrize(
    ("when", "more", "place", "said"),
    [
        ("{tols: true}", "", "tols", "unknown setting (did you mean tools?)"),
        ("{tools: perhaps}", "", "tools", "expected true or false, found `perhaps`"),
        ("{input_over: 32k}", "", "input_over", "expected a whole number, found `32k`"),
        ("{input_over: 5, input_up_to: 5}", "", "input_up_to", "no prompt has more than 5 tokens and so few"),
        ("{input_over: 9}", ", context_window: 9", "input_over", "does not fit into its context window (9)"),
        (
            "{images: true}",
            ", supports: {images: false}",
            "images",
            "contradicts `supports: {images: false}`",
        ),
        ("{tags: [eu], without_tags: ['e*']}", "", "tags", "`without_tags` excludes eu"),
        ("{headers: {a b: c}}", "", "headers", "`a b` is not a valid header name"),
        ("{headers: {X-Api-Key: c}}", "", "headers", "X-Api-Key holds the client's key"),
        ("{protocols: [antropic]}", "", "protocols[0]", "expected one of openai_chat, "),
        ("{operations: [embeds]}", "", "operations[0]", "expected one of chat, embed, "),
        (
            "{operations: [embed], stream: true}",
            "",
            "operations",
            "only a chat can have `stream: true`",
        ),
        (
            "{operations: [embed], input_over: 9}",
            "",
            "operations",
            "only a chat has a prompt that is counted",
        ),
    ],
)
def test_what_cannot_hold_is_refused(mistakes: Mistakes, when: str, more: str, place: str, said: str) -> None:
    (found,) = mistakes(settings(when, more))
    assert found.startswith(f"dragoman.yaml:6: models.m.deployments[0].when.{place}: ")
    assert said in found


@pytest.mark.parametrize(
    ("when", "more"),
    [
        ("{}", ""),
        ("{input_over: 5, input_up_to: 6}", ""),
        ("{images: false}", ", supports: {images: false}"),
        ("{structured: true}", ", supports: {structured: false}"),  # it is emulated
        ("{clients: [team-*, anyone]}", ""),
        ("{tags: ['*'], without_tags: [eu]}", ""),
        ("{headers: {X-Team: blue, x-tier: 'gold*'}}", ""),
        ("{operations: [embed, chat], tools: true}", ""),
        ("{operations: embed, images: false}", ""),
        ("{protocols: anthropic}", ""),
    ],
)
def test_what_can_hold_is_accepted(loaded: Load, when: str, more: str) -> None:
    assert loaded(settings(when, more)).warnings == ()


@pytest.mark.parametrize(
    ("clients", "hint"), [("[team-bleu]", "did you mean team-blue?"), ("red-*", ""), ("[team-blue, ann]", "")]
)
def test_a_key_of_the_database_may_be_meant(loaded: Load, clients: str, hint: str) -> None:
    (told,) = loaded(settings(f"{{clients: {clients}}}")).warnings
    place = "dragoman.yaml:6: models.m.deployments[0].when.clients: no key of `auth.keys` has the name "
    assert place in str(told)
    assert "only a key that is made at run time can match" in str(told)
    assert hint in str(told)


def test_a_key_that_cannot_be_read_is_told_alone(mistakes: Mistakes) -> None:
    text = settings("{clients: [team-blue]}").replace("a-key-of-sixteen-characters", "'${NOT_SET}'")
    (found,) = mistakes(text)
    assert "NOT_SET" in found
