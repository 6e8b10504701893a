"""Requests, both ways: a client of this dialect gets its own words out; another's are said, or named."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.terms import ENCRYPTED, LOGPROBS
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.repair.rules import CUT_OFF
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from tests.unit.dialects.openai_responses.asking import again, asked, assistant, read, user, write

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
SEEN = {"type": "output_text", "text": "See.", "annotations": []}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}
MADE = {"store": False, "include": [ENCRYPTED]}
"""What every request holds unless its client said otherwise."""

OWN: list[dict[str, Any]] = [
    {},
    {"input": "text", "instructions": "Be brief.", "stream": True},
    {
        "input": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": "y", "phase": "commentary"},
        ]
    },
    {"input": [{"type": "message", "role": "system", "content": [{"type": "input_text", "text": "x"}]}]},
    {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}], "stream": False},
    {"input": [{"type": "message", "role": "user", "content": [{"type": "hologram", "x": 1}]}]},
    {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "hologram"}]}]},
    *(
        {"input": [{"role": "assistant", "content": [{"type": "input_image", **image}, SEEN]}]}
        for image in (
            {"image_url": "https://a.example/b.png", "detail": "high"},
            {"image_url": "data:image/png;base64,QUJD"},
            {"file_id": "file-1"},
        )
    ),
    {"input": [{"type": "hologram_call", "id": "hc_1"}]},
    {"temperature": 0.5, "top_p": 0.9, "top_logprobs": 3, "max_output_tokens": 99, "user": "me"},
    {"frequency_penalty": 1, "presence_penalty": -1},
    {"tools": [LOOK, {"type": "custom", "name": "calc", "format": GRAMMAR}], "tool_choice": "required"},
    {
        "tools": [
            {**LOOK, "defer_loading": True},
            {"type": "mcp", "server_label": "a", "server_url": "https://x"},
        ]
    },
    {"tools": [{"type": "namespace", "name": "n", "description": "d", "tools": [LOOK]}]},
    {"tools": [LOOK], "tool_choice": {"type": "function", "name": "look"}, "parallel_tool_calls": False},
    {"tools": [{"type": "file_search", "vector_store_ids": ["v"]}], "tool_choice": {"type": "file_search"}},
    {"text": {"format": {"type": "text"}, "verbosity": "low"}},
    {"text": {"format": {"type": "json_object"}}},
    {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}}},
    {"text": {"format": {"type": "grammar", "definition": "x"}}},
    {"text": {}},
    {"reasoning": {"effort": "xhigh", "summary": "auto", "context": "all_turns"}},
    {"reasoning": {}},
    {
        "metadata": {"a": "b"},
        "service_tier": "ultrafast",
        "safety_identifier": "s",
        "moderation": {"model": "m"},
    },
    {"prompt_cache_key": "k", "prompt_cache_options": {"mode": "explicit", "ttl": "30m", "prewarm": True}},
    {"previous_response_id": "resp_1", "conversation": None, "background": True},
    {"truncation": "auto", "max_tool_calls": 3, "context_management": [{"type": "compaction"}]},
]


@pytest.mark.parametrize("members", OWN)
def test_a_request_of_this_dialect_comes_back(members: dict[str, Any]) -> None:
    stated = {key: value for key, value in members.items() if value is not None}
    assert again(**members) == {"model": "gpt-5", "input": "Hello", **stated, **MADE}


def test_an_input_may_be_absent() -> None:
    assert "input" not in again(input=None, previous_response_id="resp_1")


@pytest.mark.parametrize(
    ("members", "made"),
    [
        ({"store": True}, {"store": True}),
        ({"store": True, "include": [ENCRYPTED]}, {"store": True, "include": [ENCRYPTED]}),
        ({"store": False}, MADE),
        ({"include": [LOGPROBS]}, {"store": False, "include": [ENCRYPTED, LOGPROBS]}),
        ({"include": ["x.y"]}, {"store": False, "include": [ENCRYPTED, "x.y"]}),
    ],
)
def test_nothing_is_stored_unless_a_client_says_so(members: dict[str, Any], made: dict[str, Any]) -> None:
    body = again(**members)
    assert {key: body[key] for key in ("store", "include") if key in body} == made


def test_no_sealed_thoughts_are_asked_of_a_model_without_thoughts() -> None:
    body, _ = write(asked(), facts=Facts(reasoning=False))
    assert "include" not in body


@pytest.mark.parametrize(
    "words", [["reasoning.encrypted_content"], ["reasoning.encrypted_content", LOGPROBS]]
)
@pytest.mark.parametrize("store", [True, False])
def test_not_even_where_a_client_asks_for_them(words: list[str], store: bool) -> None:
    request = read(store=store, include=words)
    body, lost = write(request, facts=Facts(reasoning=False))
    assert body.get("include", []) == words[1:]
    assert lost == {}


@pytest.mark.parametrize("members", [{}, {"store": False}, {"store": False, "include": [ENCRYPTED]}])
@pytest.mark.parametrize("target", DIALECTS)
def test_not_to_store_is_a_loss_nowhere(members: dict[str, Any], target: str) -> None:
    """What the gateway hands on stores nothing: it keeps the answers itself."""
    report = Report(target)
    wire = DIALECTS[target].request.encode(read(**members), Target(report, "m"))
    assert report.losses == []
    if target != "openai_responses":
        assert "store" not in wire.body


def test_no_alternatives_are_no_wish() -> None:
    request = read(top_logprobs=0)
    assert request.sampling == ir.Sampling()
    assert write(request)[0]["top_logprobs"] == 0
    logprobs = read(top_logprobs=0, include=[LOGPROBS])
    assert logprobs.sampling == ir.Sampling(logprobs=True, top_logprobs=0)


def test_what_a_request_says_is_in_the_ir() -> None:
    request = read(
        instructions="Be brief.",
        tools=[
            LOOK,
            {"type": "custom", "name": "calc", "format": GRAMMAR},
            {
                "type": "web_search",
                "filters": {"allowed_domains": ["a.org"]},
                "search_context_size": "low",
                "user_location": {"type": "approximate", "city": "Bern"},
            },
        ],
        tool_choice={
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "look"}],
        },
        include=[LOGPROBS],
        top_logprobs=2,
        stream=True,
    )
    assert request.system == (ir.Text("Be brief."),)
    assert request.messages == (ir.Message("user", (ir.Text("Hello"),)),)
    assert request.sampling == ir.Sampling(logprobs=True, top_logprobs=2)
    assert request.tool_choice == ir.ToolChoice("any", ("look",))
    assert (request.stream, request.stream_usage) == (True, True)
    assert request.tools is not None
    assert request.tools[1] == ir.Function("calc", kind="custom", format=GRAMMAR)
    search = request.tools[2]
    assert isinstance(search, ir.ProviderTool)
    assert search.options == {
        "allowed_domains": ["a.org"],
        "context_size": "low",
        "location": {"city": "Bern"},
    }


# --- Other dialects ----------------------------------------------------------------------------

FOREIGN: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    ({"system": (ir.Text("a"), ir.Text("b"))}, {"instructions": "a\n\nb"}, {}),
    ({"max_output": 5}, {"max_output_tokens": 16}, {"max_output": "quality"}),
    ({"sampling": ir.Sampling(stop=("x",))}, {}, {"sampling.stop": "meaning"}),
    ({"sampling": ir.Sampling(seed=1, top_k=2)}, {}, {"sampling.seed": "hint", "sampling.top_k": "quality"}),
    ({"sampling": ir.Sampling(presence_penalty=1)}, {}, {"sampling.presence_penalty": "quality"}),
    ({"sampling": ir.Sampling(logit_bias={"1": 1})}, {}, {"sampling.logit_bias": "meaning"}),
    (
        {"sampling": ir.Sampling(logprobs=True, top_logprobs=2)},
        {"top_logprobs": 2, "include": [ENCRYPTED, LOGPROBS]},
        {},
    ),
    (
        {"reasoning": ir.Reasoning(effort="high", visible=True)},
        {"reasoning": {"effort": "high", "summary": "auto"}},
        {},
    ),
    ({"reasoning": ir.Reasoning(budget=2000)}, {"reasoning": {"effort": "medium"}}, {}),
    ({"reasoning": ir.Reasoning(mode="off")}, {"reasoning": {"effort": "none"}}, {}),
    ({"output": ir.Output("json")}, {"text": {"format": {"type": "json_object"}}}, {}),
    (
        {"output": ir.Output("schema", {"type": "object"})},
        {"text": {"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}}},
        {},
    ),
    ({"output": ir.Output(modalities=("text", "image"))}, {"tools": [{"type": "image_generation"}]}, {}),
    (
        {"tools": (ir.Function("f"),), "tool_choice": ir.ToolChoice("tool", ("f",)), "parallel": False},
        {
            "tools": [
                {
                    "type": "function",
                    "name": "f",
                    "parameters": {"type": "object", "properties": {}},
                    "strict": False,
                }
            ],
            "tool_choice": {"type": "function", "name": "f"},
            "parallel_tool_calls": False,
        },
        {},
    ),
    ({"tools": (), "tool_choice": ir.ToolChoice("any")}, {}, {"tool_choice": "meaning"}),
    (
        {
            "tools": (
                ir.ProviderTool("another", "web_search", {}, options={"max_uses": 2, "context_size": "low"}),
            )
        },
        {"tools": [{"type": "web_search", "search_context_size": "low"}]},
        {"tools[0].options.max_uses": "quality"},
    ),
    (
        {"tools": (ir.ProviderTool("another", "code_execution", {}),)},
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]},
        {},
    ),
    ({"tools": (ir.ProviderTool("another", "memory", {}),)}, {}, {"tools[0]": "meaning"}),
    ({"tier": "batch"}, {}, {"tier": "hint"}),
    (
        {"tier": "flex", "user": "me", "metadata": {"a": "b"}},
        {"service_tier": "flex", "user": "me", "metadata": {"a": "b"}},
        {},
    ),
    ({"cache": ir.Caching(key="k", mark=ir.CacheMark())}, {"prompt_cache_key": "k"}, {"cache.mark": "hint"}),
    ({"previous": "x"}, {}, {"previous": "meaning"}),
    ({"extra": {"another": {"knob": 1}}}, {}, {"knob": "hint"}),
]


@pytest.mark.parametrize(("fields", "members", "losses"), FOREIGN)
def test_another_dialects_wishes(
    fields: dict[str, Any], members: dict[str, Any], losses: dict[str, str]
) -> None:
    body, lost = write(asked(**fields))
    greeting = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
    assert body == {"model": "gpt-5", "input": [greeting], **MADE, **members}
    assert lost == losses


def test_several_answers_are_refused() -> None:
    with pytest.raises(WireError) as raised:
        write(asked(sampling=ir.Sampling(n=2)))
    assert (raised.value.path, raised.value.code) == ("sampling.n", "unsupported_value")


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_other_modalities_are_refused(kind: str) -> None:
    with pytest.raises(WireError) as raised:
        write(asked(output=ir.Output(modalities=(kind,))))
    assert raised.value.code == "unsupported_modality"


def test_what_a_vendor_refuses_is_named() -> None:
    body, lost = write(asked(max_output=20), quirks=Quirks(refuses=frozenset({"max_output_tokens"})))
    assert "max_output_tokens" not in body
    assert lost == {"max_output": "quality"}


@pytest.mark.parametrize(
    ("request_", "lost"),
    [
        (asked(), {}),
        (asked(parallel=False, tools=(ir.Function("look"),)), {"parallel": "quality"}),
        (asked(sampling=ir.Sampling(logprobs=True)), {"sampling.logprobs": "meaning"}),
    ],
)
def test_what_we_add_is_not_missed(request_: ir.Request, lost: dict[str, str]) -> None:
    refused = frozenset({"store", "include", "parallel_tool_calls"})
    body, losses = write(request_, quirks=Quirks(refuses=refused))
    assert refused.isdisjoint(body)
    assert losses == lost


def test_sampling_that_the_model_refuses_is_named() -> None:
    body, lost = write(asked(sampling=ir.Sampling(temperature=1)), facts=Facts(sampling=False))
    assert "temperature" not in body
    assert lost == {"sampling.temperature": "quality"}


def test_the_effort_is_the_nearest_that_the_model_knows() -> None:
    wish = ir.Reasoning(effort="minimal")
    body, lost = write(asked(reasoning=wish), facts=Facts(efforts=("none", "low", "high")))
    assert body["reasoning"] == {"effort": "low"}
    assert lost == {"reasoning.effort": "quality"}


def kinds(body: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(item["type"], item.get("call_id") or item.get("role")) for item in body["input"]]


def test_calls_without_ids_are_linked_by_name_and_order() -> None:
    body, _ = write(
        asked(
            assistant(ir.ToolCall(None, "f"), ir.ToolCall(None, "g"), ir.ToolCall(None, "f")),
            user(ir.ToolResult(None, name="f"), ir.ToolResult(None, name="f"), ir.ToolResult(None, name="g")),
        )
    )
    assert kinds(body) == [
        ("function_call", "call_1"),
        ("function_call", "call_2"),
        ("function_call", "call_3"),
        ("function_call_output", "call_1"),
        ("function_call_output", "call_3"),
        ("function_call_output", "call_2"),
    ]


def test_a_call_that_was_never_answered_gets_an_output() -> None:
    body, _ = write(asked(assistant(ir.ToolCall("c", "f", kind="custom")), user(ir.Text("Go on"))))
    assert kinds(body) == [("custom_tool_call", "c"), ("custom_tool_call_output", "c"), ("message", "user")]
    assert body["input"][1]["output"] == CUT_OFF


def test_a_result_without_its_call_is_told_by_the_user() -> None:
    body, lost = write(asked(user(ir.ToolResult("c", (ir.Text("42"),)))))
    assert body["input"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "42"}]}
    ]
    assert lost == {}


def test_a_turn_of_texts_and_calls_keeps_its_order() -> None:
    body, _ = write(
        asked(
            assistant(ir.Text("a"), ir.Text("b"), ir.ToolCall("c", "f"), ir.Text("d")),
            user(ir.ToolResult("c", (ir.Text("1"), ir.Media("image", "image/png", "AAAA"))), ir.Text("e")),
            user(ir.Text("g")),
        )
    )
    assert [len(item.get("content", ())) for item in body["input"]] == [2, 0, 1, 0, 1, 1]
    assert body["input"][0]["content"][0] == {"type": "output_text", "text": "a", "annotations": []}
    assert body["input"][3]["output"] == [
        {"type": "input_text", "text": "1"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
    ]


def test_pictures_of_an_assistant_follow_in_a_users_message() -> None:
    body, lost = write(asked(assistant(ir.Media("image", "image/png", "AAAA"), ir.Text("Here"))))
    assert kinds(body) == [("message", "assistant"), ("message", "user")]
    assert lost == {}


def test_thoughts_of_others_are_named() -> None:
    message = assistant(ir.Thinking("hm", sealed=ir.Sealed("another", "s")), ir.ToolCall("c", "f"))
    _, lost = write(asked(message, user(ir.ToolResult("c", error=True))))
    assert lost == {"messages[0].blocks[0]": "quality"}


def test_a_file_gets_a_name() -> None:
    body, _ = write(asked(user(ir.Media("document", "application/pdf", "AAAA"))))
    assert body["input"][0]["content"] == [
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,AAAA",
            "filename": "document.pdf",
        }
    ]


def test_what_the_model_said_is_a_string_where_it_is_words_alone() -> None:
    """Its parts are specified with the id of an answer, which another protocol's history has not."""
    cited = ir.Text("b", (ir.Citation("url", "https://x.example"),))
    body, _ = write(
        asked(
            assistant(ir.Text("a")),
            assistant(cited),
            assistant(ir.Text("c"), ir.Text("d")),
            assistant(ir.Refusal("no")),
            user(ir.Text("Go.")),
        )
    )
    contents = [item["content"] for item in body["input"]]
    assert contents[0] == "a"
    assert [[part["type"] for part in content] for content in contents[1:]] == [
        ["output_text"],
        ["output_text", "output_text"],
        ["refusal"],
        ["input_text"],
    ]


def test_sound_is_refused_and_what_the_model_spoke_is_written() -> None:
    heard = ir.Media("audio", "audio/wav", "QQ==")
    with pytest.raises(WireError, match="the Responses API does not accept audio") as raised:
        write(asked(user(heard)))
    assert (raised.value.path, raised.value.code) == ("messages[0].blocks[0]", "unsupported_modality")
    spoken = ir.Media("audio", "audio/wav", "QQ==", transcript="Good day.")
    body, lost = write(asked(assistant(spoken), assistant(heard), user(ir.Text("Go."))))
    assert [item["content"] for item in body["input"]][:-1] == ["Good day."]
    assert lost == {"messages[1].blocks[0]": "meaning"}


def test_video_is_refused() -> None:
    with pytest.raises(WireError) as raised:
        write(asked(user(ir.Media("video", url="https://x"))))
    assert (raised.value.path, raised.value.code) == ("messages[0].blocks[0]", "unsupported_modality")


def test_our_own_marks_return_and_foreign_ones_are_named() -> None:
    mark = {"mode": "explicit", "ttl": "30m"}
    part = {"type": "input_text", "text": "x", "prompt_cache_breakpoint": mark}
    assert again(input=[{"role": "user", "content": [part]}])["input"][0]["content"] == [part]
    _, lost = write(asked(user(ir.Text("x", cache=ir.CacheMark("5m")))))
    assert lost == {"messages[0].blocks[0].cache": "hint"}


@pytest.mark.parametrize("mark", ["explicit", True, ["x"]])
def test_a_mark_of_another_form_is_a_leftover(mark: Any) -> None:
    for part in (
        {"type": "input_text", "text": "x"},
        {"type": "input_image", "image_url": "https://x"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ):
        odd = {**part, "prompt_cache_breakpoint": mark}
        body = {"input": [{"role": "user", "content": [odd]}]}
        assert again(**body)["input"][0]["content"] == [odd]
        (block,) = read(**body).messages[0].blocks
        assert getattr(block, "extra") == {"openai_responses": {"prompt_cache_breakpoint": mark}}  # noqa: B009


@pytest.mark.parametrize(
    ("content", "output"),
    [
        ((), "Error"),
        ((ir.Text("boom"),), "Error: boom"),
        (
            (ir.Text("a"), ir.Text("b")),
            [{"type": "input_text", "text": text} for text in ("Error:", "a", "b")],
        ),
    ],
)
def test_a_failure_is_told_in_the_results_text(content: tuple[ir.Block, ...], output: Any) -> None:
    body, lost = write(asked(assistant(ir.ToolCall("c", "f")), user(ir.ToolResult("c", content, error=True))))
    assert body["input"][1]["output"] == output
    assert lost == {}


# Items that OpenAI would not have made ----------------------------------------------------------------

SEALED = {"type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": "gAAA"}
UNTOLD = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
TOLD = {
    "type": "reasoning",
    "id": "rs_2",
    "summary": [],
    "content": [{"type": "reasoning_text", "text": "Hm."}],
}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Yes.", "annotations": []}],
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "id": "fco_1", "call_id": "call_1", "output": "1"}
OPENAI = Quirks(strange_items=False)


@pytest.mark.parametrize("thought", [UNTOLD, TOLD, {**UNTOLD, "encrypted_content": ""}])
def test_a_thought_without_its_seal_stays_away_from_who_refuses_it(thought: dict[str, Any]) -> None:
    given = [SEALED, thought, SAID, CALL, OUTPUT]
    body, lost = write(read(input=given), quirks=OPENAI)
    said, call = ({key: value for key, value in item.items() if key != "id"} for item in (SAID, CALL))
    assert body["input"] == [SEALED, said, call, OUTPUT]  # an id would tell that a thought is missing
    assert lost == {"messages[1]": "quality"}
    assert not OPENAI.relays({"input": given})


def test_any_other_vendor_gets_it_back() -> None:
    given = [UNTOLD, TOLD, SAID]
    body, lost = write(read(input=given))
    assert (body["input"], lost) == (given, {})
    assert STANDARD.relays({"input": given})


def test_sealed_thoughts_keep_their_ids_everywhere() -> None:
    given = [SEALED, SAID, CALL, OUTPUT]
    body, lost = write(read(input=given), quirks=OPENAI)
    assert (body["input"], lost) == (given, {})
    assert OPENAI.relays({"input": given})
    assert OPENAI.relays({"input": "Hello"})


def foreign_ids(*ids: str | None) -> list[dict[str, Any]]:
    """An answer with a call and its output, under these ids."""
    items: list[dict[str, Any]] = [SEALED, SAID, CALL, OUTPUT]
    return [
        {**{key: value for key, value in item.items() if key != "id"}, **({"id": id_} if id_ else {})}
        for item, id_ in zip(items, ids, strict=True)
    ]


@pytest.mark.parametrize(
    "ids",
    [
        ("18165b2d-ce78", "e755f44f-d4d5", "0-0", "1-1"),  # DeepSeek
        ("rs_" + "0" * 62, "msg_" + "0" * 61, "fc_" + "0" * 62, "fco_" + "0" * 61),  # xAI
        ("msg_1", "item_1", "call_1", "call_1"),
        ("rs_a.b", "msg_a:b", "fc_/", "fc "),
    ],
)
def test_ids_of_other_makers_stay_away_from_who_refuses_them(ids: tuple[str, ...]) -> None:
    given = foreign_ids(*ids)
    body, lost = write(read(input=given), quirks=OPENAI)
    assert (body["input"], lost) == (foreign_ids(None, None, None, None), {})
    assert not OPENAI.relays({"input": given})
    assert write(read(input=given))[0]["input"] == given
    assert STANDARD.relays({"input": given})


@pytest.mark.parametrize("ids", [("rs_" + "0" * 61, "msg_1-2", "fc_1", "fco_1"), (None, None, None, None)])
def test_ids_that_could_be_its_own_are_relayed(ids: tuple[str | None, ...]) -> None:
    assert OPENAI.relays({"input": foreign_ids(*ids)})


@pytest.mark.parametrize("bare", [{"role": "user", "content": "Hi", "id": "1"}, {"id": 1, "role": "user"}])
def test_odd_ids_are_looked_at(bare: dict[str, Any]) -> None:
    assert OPENAI.relays({"input": [bare]}) is (bare["id"] == 1)


def test_an_item_that_needs_its_id_keeps_it() -> None:
    search = {"type": "web_search_call", "id": "ws_" + "0" * 80, "status": "completed"}
    assert write(read(input=[search]), quirks=OPENAI)[0]["input"] == [search]
