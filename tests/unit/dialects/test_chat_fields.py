"""Every member of a chat request, at every upstream: what `chat_fields` claims happens, and nothing else."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from dragoman import ir
from dragoman.dialects.capabilities import refuse
from dragoman.dialects.emulate import emulate
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import RequestFailed, WireError
from dragoman.upstreams.local.conversation import translate
from dragoman.upstreams.local.protocol import Draw, Options
from dragoman.upstreams.local.upstream import LocalModel, LocalUpstream
from dragoman.upstreams.simulate import SimulateUpstream
from dragoman.upstreams.upstream import Call, Stopwatch, collected, native
from tests.unit.dialects.chat_fields.page import main as page
from tests.unit.dialects.chat_fields.row import SAME, UPSTREAMS, Row
from tests.unit.dialects.chat_fields.specification import Words, said, specified
from tests.unit.dialects.chat_fields.table import ROWS

CHAT = DIALECTS["openai_chat"]
LOCAL = LocalModel(Options("model.gguf"))
BEYOND = {
    *("unheard_of", "top_k", "min_p", "repetition_penalty", "enable_thinking", "thinking_budget"),
    *("reasoning", "reasoning.effort", "reasoning.max_tokens", "reasoning.enabled", "reasoning.exclude"),
    *("reasoning.summary", "include_reasoning", "thinking", "thinking[enabled].budget_tokens"),
    *("tools[function].cache_control", "tool_choice[allowed_tools].allowed_tools.tools[function].function"),
    "tool_choice[allowed_tools].allowed_tools.tools[function].function.name",
    "messages[user].content[text].cache_control",
    *("messages[user].content[video_url].video_url", "messages[user].content[video_url].video_url.url"),
    *("messages[assistant].reasoning", "messages[assistant].reasoning_content"),
    *(
        f"messages[assistant].reasoning_details{path}"
        for path in ("", "[reasoning.text].text", "[reasoning.text].signature")
    ),
    *(
        f"messages[assistant].images{path}"
        for path in ("", "[image_url].image_url", "[image_url].image_url.url")
    ),
    "messages[assistant].tool_calls[function].extra_content",
    "messages[assistant].tool_calls[function].extra_content.google",
    "messages[assistant].tool_calls[function].extra_content.google.thought_signature",
}
"""Members that clients are known to send and that the specification does not have."""


class Told(NamedTuple):
    """What an upstream is told. view: its request, or the simulator's answer with the kinds of its blocks as
    `@shape`. losses: path and severity. changes: path, where to, and why.
    """

    view: dict[str, Any]
    losses: frozenset[tuple[str, str]] = frozenset()
    changes: frozenset[tuple[str | None, str, str]] = frozenset()


def _wire(name: str) -> Callable[[dict[str, Any], Row], Told]:
    def tell(body: dict[str, Any], row: Row) -> Told:
        sent = translated(body, CHAT, DIALECTS[name], facts=row.facts)
        return Told(
            {"@path": sent.path, **sent.body},
            frozenset((loss.path, loss.severity) for loss in sent.losses),
            frozenset((change.path, change.to, change.reason) for change in sent.changes),
        )

    return tell


def _decoded(body: dict[str, Any]) -> ir.Request:
    wire = WireRequest("chat", body)
    CHAT.request.check(wire)
    return CHAT.request.decode(wire)


def _local(body: dict[str, Any], row: Row) -> Told:
    request = _decoded(body)
    if (fault := refuse(request, LOCAL.facts)) is not None:
        raise RequestFailed(fault)
    report = Report("local")
    emulation = emulate(request, native(LocalUpstream({})), LOCAL.facts, STANDARD, report)
    asked = translate(emulation.request, report, Draw())
    losses, changes = report.located(CHAT.locator(WireRequest("chat", body)))
    view = _plain(asked)
    for tool in view["tools"]:
        if tool["parameters"] is not None:
            tool["parameters"] = json.loads(tool["parameters"])
    return Told(
        view,
        frozenset((loss.path, loss.severity) for loss in losses),
        frozenset((change.path, change.to, change.reason) for change in changes),
    )


def _plain(value: Any) -> Any:
    """A value with every field of its structs, defaults too."""
    if isinstance(value, msgspec.Struct):
        return {field: _plain(getattr(value, field)) for field in value.__struct_fields__}
    if isinstance(value, tuple | frozenset):
        return [_plain(item) for item in (value if isinstance(value, tuple) else sorted(value))]
    return value


def _simulate(body: dict[str, Any], row: Row) -> Told:
    call = Call("attempt", row.outcomes["simulate"].model, Report("simulate"), Stopwatch(lambda: 0.0))

    async def answered() -> ir.Response:
        async with SimulateUpstream().chat(_decoded(body), call) as batches:
            return await collected(batches)

    response = asyncio.run(answered())
    shape = [[type(block).__name__ for block in one.blocks] for one in response.candidates]
    return Told({"@shape": shape, **msgspec.to_builtins(response)})


TELL: dict[str, Callable[[dict[str, Any], Row], Told]] = {
    **{name: _wire(name) for name in DIALECTS if name in UPSTREAMS},
    "local": _local,
    "simulate": _simulate,
}
CASES = [
    pytest.param(row, upstream, id=f"{row.field} {row.label} {upstream}")
    for row in ROWS
    for upstream in UPSTREAMS
    if upstream in TELL
]


@pytest.mark.parametrize(("row", "upstream"), CASES)
def test_a_member_becomes_what_the_table_says(row: Row, upstream: str) -> None:
    outcome = row.outcomes[upstream]
    if outcome.kind == "refused":
        assert _refused(row, upstream) == (outcome.code, outcome.param)
        return
    told, bare = TELL[upstream](row.body, row), TELL[upstream](row.bare, row)
    assert told.losses - bare.losses == frozenset(outcome.losses.items())
    if outcome.kind == "emulated":
        assert told.changes - bare.changes, "an emulation is named as a change"
    writes = row.says if outcome == SAME else outcome.writes
    for path, value in writes.items():
        assert _agrees(value, _at(told.view, path)), path
    if upstream == "simulate":  # its words are drawn, and another request draws others
        assert outcome.kind != "nothing" or told.view["@shape"] == bare.view["@shape"]
    else:
        assert _elsewhere(told.view, bare.view, writes) == {}
    if upstream == "openai_chat" and outcome == SAME:
        assert told.view == {"@path": "/chat/completions", **row.body}


def _refused(row: Row, upstream: str) -> tuple[str | None, str]:
    """The code and the parameter that the client is told. Its own mistakes are found before any upstream."""
    wire = WireRequest("chat", row.body)
    try:
        CHAT.request.check(wire)
    except WireError as error:
        return error.code, error.path
    try:
        TELL[upstream](row.body, row)
    except WireError as error:
        code, where = error.code, error.path
    except RequestFailed as failed:
        code, where = failed.fault.code, failed.fault.param or ""
    else:
        pytest.fail("was not refused")
    return code, CHAT.locator(wire)(where).removeprefix("$.")


_ABSENT = object()


def _at(value: Any, path: str) -> Any:
    """What lies at a path; absent where nothing does."""
    for step in re.findall(r"@?[^.\[\]]+|\[\d+\]", path):
        try:
            value = value[int(step[1:-1])] if step.startswith("[") else value[step]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return value


def _agrees(expected: Any, actual: Any) -> bool:
    """Whether a value is what a row says: `...` stands for any, a pattern for a text."""
    if expected is ...:
        return actual is not _ABSENT and actual is not None
    if isinstance(expected, re.Pattern):
        return isinstance(actual, str) and expected.fullmatch(actual) is not None
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(
            _agrees(expected[key], actual[key]) for key in expected
        )
    if isinstance(expected, list) and isinstance(actual, list | tuple):
        return len(expected) == len(actual) and all(map(_agrees, expected, actual))
    return bool(expected == actual and isinstance(expected, bool) == isinstance(actual, bool))


def _elsewhere(view: dict[str, Any], bare: dict[str, Any], writes: dict[str, Any]) -> dict[str, Any]:
    """What differs between the two, outside of what the row says, with both values."""
    here, there = dict(_leaves(view)), dict(_leaves(bare))
    return {
        path: (here.get(path, "absent"), there.get(path, "absent"))
        for path in here.keys() | there.keys()
        if here.get(path, _ABSENT) != there.get(path, _ABSENT)
        and not any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in writes)
    }


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


# --- Nothing is forgotten -------------------------------------------------------------------------


def _covered(rows: Iterable[Row]) -> Words:
    covered: Words = {}
    for row in rows:
        for path, words in said(row.body).items():
            covered.setdefault(path, set()).update(words)
    return covered


@pytest.mark.spec
def test_the_table_has_every_member_and_word_of_the_specification(specifications: Path) -> None:
    document = msgspec.json.decode((specifications / "openai-2.3.0.openapi.json").read_bytes())
    covered = _covered(ROWS)
    members = specified(document)
    missing = {
        path: words - covered.get(path, set())
        for path, words in members.items()
        if path not in covered or (path != "model" and words - covered[path])
    }
    assert missing == {}
    legal = [row for row in ROWS if row.outcomes["openai_chat"].kind != "refused"]
    assert _covered(legal).keys() - members.keys() == BEYOND


def test_the_table_has_every_member_that_the_official_client_knows() -> None:
    assert CompletionCreateParamsBase.__annotations__.keys() <= _covered(ROWS).keys()


def test_every_row_is_about_the_member_that_it_names() -> None:
    for row in ROWS:
        if row.outcomes["openai_chat"].kind != "refused":  # what is missing may be the mistake
            assert _bare(row.field) in map(_bare, said(row.body)), row.field


def _bare(field: str) -> str:
    return re.sub(r"\[[^\]]*\]", "", field)


def test_rows_differ() -> None:
    names = [(row.field, row.label) for row in ROWS]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_the_page_says_what_the_table_says() -> None:
    assert page(["--check"]) == 0
