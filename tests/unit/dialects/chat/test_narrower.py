"""What the narrower protocols of the family write alike, and what they tell of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.narrower import Narrower
from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.loss import Report
from dragoman.errors import WireError

NARROWER = Narrower("the Toy API", Leftovers("toy").restore)
MARK = ir.CacheMark()


def lost(draft: Draft) -> list[tuple[str, str]]:
    return [(one.path, one.reason) for one in draft.report.losses]


def test_the_head_of_a_message_is_told_and_not_written() -> None:
    draft = Draft(Report("toy"))
    message = ir.Message("user", (), name="ada", cache=MARK, extra={"other": {"mood": "calm"}})
    NARROWER.lose_head(message, draft, "messages[2]")
    assert [path for path, _ in lost(draft)] == ["messages[2].name", "messages[2].cache", "messages[2].mood"]
    assert lost(draft)[0][1] == "the Toy API has no author names"


def test_a_plain_head_tells_nothing() -> None:
    draft = Draft(Report("toy"))
    NARROWER.lose_head(ir.Message("user", ()), draft, "messages[0]")
    assert lost(draft) == []


@pytest.mark.parametrize(
    ("own", "schema"), [(True, {}), (False, {"parameters": {"type": "object", "properties": {}}})]
)
def test_a_function_of_another_dialect_gets_a_schema(own: bool, schema: dict[str, Any]) -> None:
    draft = Draft(Report("toy"), own=own)
    tool = ir.Function("look", extra={"toy": {"function.odd": 1}})
    written = NARROWER.encode_function(tool, draft, "tools[0]", {"strict": True})
    assert written == {"type": "function", "function": {"name": "look", **schema, "strict": True, "odd": 1}}


def test_a_free_text_tool_is_refused() -> None:
    with pytest.raises(WireError, match="the Toy API has no free-text tools"):
        NARROWER.encode_function(ir.Function("look", kind="custom"), Draft(Report("toy")), "tools[0]")


@pytest.mark.parametrize(("own", "arguments"), [(True, ""), (False, "{}")])
def test_empty_arguments_become_an_object_unless_they_are_its_own(own: bool, arguments: str) -> None:
    draft = Draft(Report("toy"), own=own)
    written = NARROWER.encode_call(ir.ToolCall("c1", "look", ""), None, draft, "messages[0].blocks[0]")
    assert written == {"type": "function", "function": {"name": "look", "arguments": arguments}}


def test_a_free_text_call_is_an_argument_in_an_answer_and_refused_in_a_history() -> None:
    call = ir.ToolCall("c1", "look", "here", kind="custom", cache=MARK)
    draft = Draft(Report("toy"), answer=True)
    written = NARROWER.encode_call(call, "c1", draft, "blocks[0]")
    assert written["id"] == "c1"
    assert written["function"]["arguments"] == '{"input":"here"}'
    assert [one.to for one in draft.report.changes] == ["function.arguments.input"]
    assert lost(draft) == [("blocks[0].cache", "the Toy API has no cache breakpoints")]
    with pytest.raises(WireError, match="no calls of free-text tools"):
        NARROWER.encode_call(call, "c1", Draft(Report("toy")), "blocks[0]")
