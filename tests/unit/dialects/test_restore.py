"""The way back, event by event: any split of the arguments, the grammar kept, nothing held without need."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.notation import NOTATIONS
from dragoman.dialects.restore import Fence, Restorer, StringMember, Undo, ValueMember, WholeObject
from dragoman.engine.steps import through

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(reader: Fence | StringMember | ValueMember | WholeObject, pieces: Iterable[str]) -> str:
    return "".join([*(reader.feed(piece) for piece in pieces), reader.close()])


@st.composite
def cut(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> tuple[str, list[str]]:
    text = draw(texts)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return text, [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(cut(st.text()), st.booleans(), st.sampled_from(["", " ", "\n\t"]), st.data())
def test_a_string_is_unwrapped_at_any_split(
    wanted: tuple[str, list[str]], ascii_only: bool, blank: str, data: st.DataObject
) -> None:
    string = json.dumps(wanted[0], ensure_ascii=ascii_only)
    written = f'{blank}{{{blank}"input"{blank}:{blank}{string}{blank}}}{blank}'
    _, pieces = data.draw(cut(st.just(written)))
    assert read(StringMember("input"), pieces) == wanted[0]
    assert read(StringMember("input"), list(written)) == wanted[0]


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (r'{"input":"a\u00e9\n\"\\\/b"}', 'aé\n"\\/b'),
        (r'{"input":"\ud83d\ude00!"}', "😀!"),
        (r'{"input":"\ud83dX"}', "\ufffdX"),
        (r'{"input":"\ud83d\n"}', "\ufffd\n"),
        (r'{"input":"\ude00"}', "\ufffd"),
        (r'{"input":"\ud83d\u0041"}', "\ufffdA"),
        (r'{"input":"\ud83d"}', "\ufffd"),
        (r'{"input":"\ud83d', "\ufffd"),
        (r'{"input":"ab\u00', "ab"),
        (r'{"input":"ab', "ab"),
        (r'{"input":"\q\uZZZZ"}', r"\q\uZZZZ"),
        (r'{"input":"x\n\q\n\u00e9"}', "x\n\\q\né"),
        (r'{"input":"\ud83d\ud83d\ude00"}', "\ufffd😀"),
        (r'{"input":"\ud83d\udezz"}', "\ufffd\\udezz"),
        ('{"input":"a\nb"}', "a\nb"),
        ('{"input":""}', ""),
        ("", ""),
        ("{}", ""),
        ("{ }", ""),
        (" {}\n ", ""),
        (" {", ""),
        # what the model was not asked for passes as it is
        ("plain words", "plain words"),
        ('{"code":"x"}', '{"code":"x"}'),
        ('{"input":1}', '{"input":1}'),
        ('{"b":2,"input":"x"}', '{"b":2,"input":"x"}'),
        ('{"in', '{"in'),
        ('"x"', '"x"'),
        ('{"text": {}}', '{"text": {}}'),
        ("{} {}", "{} {}"),
        ("{}x", "{}x"),
        # what follows the string is no input of the tool
        ('{"input":"x","b":2}', "x"),
        ('{"input":"x"} there', "x"),
    ],
)
def test_strings_and_what_is_none(written: str, seen: str) -> None:
    assert read(StringMember("input"), [written]) == seen
    assert read(StringMember("input"), list(written)) == seen


def test_a_string_flows_while_it_comes() -> None:
    reader = StringMember("input")
    pieces = ['{"inp', 'ut": "Hel', "lo\\", "nWor", "ld\\ud83d", "\\ude", '00"', "}"]
    assert [reader.feed(piece) for piece in pieces] == ["", "Hel", "lo", "\nWor", "ld", "", "😀", ""]
    assert reader.close() == ""


@given(JSON, st.sampled_from(["", " ", "\n"]), st.data())
def test_a_value_is_unwrapped_at_any_split(value: Any, blank: str, data: st.DataObject) -> None:
    written = f'{{{blank}"value":{blank}{json.dumps(value)}{blank}}}{blank}'
    _, pieces = data.draw(cut(st.just(written)))
    assert json.loads(read(ValueMember("value"), pieces)) == value
    assert read(ValueMember("value"), pieces) == read(ValueMember("value"), [written])


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ('{"value":[1,2]}', "[1,2]"),
        ('{"value": {"a":{}}}\n', '{"a":{}}'),
        # cut off: the last brace is the value's
        ('{"value":[1,', "[1,"),
        ('{"value": {"a":{"b":1}', '{"a":{"b":1}'),
        ('{"value": {"a":{"b":1}}', '{"a":{"b":1}}'),
        ('{"value": [{"a":"]}\\"}"} ', '[{"a":"]}\\"}"} '),
        ('{"value": "a}', '"a}'),
        ('{"value": "a}"}', '"a}"'),
        ("[1,2]", "[1,2]"),
        ('{"other":1}', '{"other":1}'),
        ('{"b":2,"value":1}', '{"b":2,"value":1}'),
        ('{"val', '{"val'),
        # what follows the value comes with it, except a brace at the very end
        ('{"value": 5, "b": 2}', '5, "b": 2'),
        ('{"value":1} trailing', "1} trailing"),
        ('{"value":1}} \n', "1}"),
    ],
)
def test_values_and_what_is_none(written: str, seen: str) -> None:
    assert read(ValueMember("value"), [written]) == seen
    assert read(ValueMember("value"), list(written)) == seen


def test_an_object_passes_and_nothing_becomes_an_empty_one() -> None:
    assert read(WholeObject(), ['{"a"', ":1}"]) == '{"a":1}'
    assert read(WholeObject(), ["", ""]) == "{}"


FENCED = [
    ('```json\n{"a": 1}\n```', '{"a": 1}'),
    ('\n ```\n{"a": 1}```  \n', '{"a": 1}'),
    ("```JSON \r\n[1,\n2]\r\n```", "[1,\n2]"),
    ('```json\n{"a": "```"}\n```', '{"a": "```"}'),
    ('```json\n{"a": 1}\n', '{"a": 1}'),  # cut off
    ('{"a": "```"}', '{"a": "```"}'),
    (' {"a": 1}\n', ' {"a": 1}\n'),
    ("Here:\n```json\n1\n```", "Here:\n```json\n1\n```"),
    ("```python\n1\n```", "```python\n1\n```"),
    ("````json\n1\n````", "````json\n1\n````"),
    ("```json\n1\n```\nThere.", "1\n```\nThere."),
    ("```json\n1\n````", "1\n````"),
    ("``", "``"),
    ("```json\n```", ""),
    ("```json", "```json"),
    ("", ""),
    (" \n", " \n"),
]


@pytest.mark.parametrize(("written", "seen"), FENCED)
def test_a_fence_around_all_is_taken_off_at_any_split(written: str, seen: str) -> None:
    assert read(Fence(), [written]) == seen
    assert read(Fence(), written) == seen
    for place in range(len(written)):
        assert read(Fence(), [written[:place], written[place:]]) == seen


def test_unfenced_text_flows_while_it_comes() -> None:
    fence = Fence()
    assert [fence.feed(piece) for piece in ('{"a', '": ', "1}")] == ['{"a', '": ', "1}"]
    fence = Fence()
    assert [fence.feed(piece) for piece in ("```js", 'on\n{"a', '": 1', "}\n", "```")] == [
        "",
        '{"a',
        '": 1',
        "}",
        "",
    ]


def call(name: str, arguments: str = "", **more: Any) -> ir.ToolCall:
    return ir.ToolCall("c1", name, arguments, **more)


def restored(undo: Undo, events: Iterable[ir.Event]) -> list[ir.Event]:
    restorer, checker = Restorer(undo, Report("t", "response")), ir.Checker()
    out = [event for one in events for event in restorer.feed(one)]
    for event in out:
        checker.add(event)
    return out


def answer(*blocks: ir.Block, stop: str = "tool") -> ir.Response:
    candidate = ir.Candidate(blocks, ir.Stop(stop, raw="tool_use"))  # type: ignore[arg-type]
    return ir.Response("t", "r1", "m", candidates=(candidate,), usage=ir.Usage(input=1, output=2))


def whole(undo: Undo, *blocks: ir.Block, stop: str = "tool") -> ir.Candidate:
    (candidate,) = ir.fold(restored(undo, ir.unfold(answer(*blocks, stop=stop)))).candidates
    return candidate


ANSWER = Undo(answer="person")


def test_the_answer_is_text_and_streams() -> None:
    events: list[ir.Event] = [
        ir.Start("t"),
        ir.Open(0, ir.Thinking()),
        ir.Close(0),
        ir.Open(1, call("person")),
        ir.ArgsDelta(1, '{"name":'),
        ir.ArgsDelta(1, '"Ann"}'),
        ir.Close(1),
        ir.Finish(ir.Stop("tool", raw="tool_use")),
        ir.Tally(ir.Usage(output=3)),
        ir.End(),
    ]
    assert restored(ANSWER, events) == [
        ir.Start("t"),
        ir.Open(0, ir.Thinking()),
        ir.Close(0),
        ir.Open(1, ir.Text("")),
        ir.TextDelta(1, '{"name":'),
        ir.TextDelta(1, '"Ann"}'),
        ir.Close(1),
        ir.Finish(ir.Stop("end")),
        ir.Tally(ir.Usage(output=3)),
        ir.End(),
    ]


def test_real_calls_stay_calls_beside_an_answer() -> None:
    both = whole(ANSWER, call("person", "{}"), call("weather", '{"a":1}'))
    assert both.blocks == (ir.Text("{}"), call("weather", '{"a":1}'))
    assert both.stop == ir.Stop("tool", raw="tool_use")
    real = whole(ANSWER, call("weather"))
    assert (real.blocks, real.stop) == ((call("weather"),), ir.Stop("tool", raw="tool_use"))


def test_plain_text_and_other_stops_pass() -> None:
    plain = whole(ANSWER, ir.Text("I would rather not."), stop="end")
    assert plain == ir.Candidate((ir.Text("I would rather not."),), ir.Stop("end", raw="tool_use"))
    cut_off = whole(ANSWER, call("person", '{"na'), stop="length")
    assert cut_off.blocks == (ir.Text('{"na'),)
    assert cut_off.stop is not None
    assert cut_off.stop.reason == "length"


def test_an_answer_without_arguments_is_an_empty_object() -> None:
    assert whole(ANSWER, call("person")).blocks == (ir.Text("{}"),)


def test_a_whole_call_at_once_and_an_authoritative_end() -> None:
    seal = ir.Sealed("t", "s")
    undo = Undo(answer="list", member="value")
    events: list[ir.Event] = [
        ir.Start("t"),
        ir.Open(0, call("list", '{"value":[1]}', sealed=seal)),
        ir.Close(0, call("list", '{"value":[1,2]}', sealed=seal)),
        ir.Finish(ir.Stop("tool")),
        ir.End(),
    ]
    assert restored(undo, events) == [
        ir.Start("t"),
        ir.Open(0, ir.Text("", sealed=seal)),
        ir.TextDelta(0, "[1]"),
        ir.Close(0, ir.Text("[1,2]", sealed=seal)),
        ir.Finish(ir.Stop("end")),
        ir.End(),
    ]


def test_free_text_tools_get_their_kind_name_and_text_back() -> None:
    undo = Undo(
        custom=frozenset({(None, "run_it")}),
        names={(None, "run_it"): (None, "run it"), (None, "get_x"): (None, "get x")},
    )
    candidate = whole(
        undo,
        call("run_it", '{"input":"print(\\"hi\\")\\n"}'),
        call("get_x", '{"input":"y"}'),
        call("other", "{}"),
    )
    assert candidate.blocks == (
        call("run it", 'print("hi")\n', kind="custom"),
        call("get x", '{"input":"y"}'),
        call("other", "{}"),
    )
    assert candidate.stop is not None
    assert candidate.stop.reason == "tool"


def test_names_come_back_in_authoritative_blocks_too() -> None:
    undo = Undo(names={(None, "get_x"): (None, "get x")})
    events: list[ir.Event] = [
        ir.Start("t"),
        ir.Open(0, call("get_x")),
        ir.Close(0, call("get_x", "{}")),
        ir.Open(1, ir.Text("")),
        ir.Close(1, ir.Text("t")),
        ir.Finish(None),
        ir.End(),
    ]
    out = restored(undo, events)
    assert out[1:3] == [ir.Open(0, call("get x")), ir.Close(0, call("get x", "{}"))]
    assert out[3:] == events[3:]


def test_what_the_provider_executes_is_not_ours() -> None:
    undo = Undo(answer="search", names={(None, "search"): (None, "find")})
    mine = call("search", "{}", by="provider")
    assert whole(undo, mine, stop="end").blocks == (mine,)


def test_candidates_are_told_apart() -> None:
    response = ir.Response(
        "t",
        candidates=(
            ir.Candidate((call("person", '{"a":1}'),), ir.Stop("tool"), 0),
            ir.Candidate((call("weather", "{}"),), ir.Stop("tool"), 1),
        ),
    )
    first, second = ir.fold(restored(ANSWER, ir.unfold(response))).candidates
    assert (first.blocks, first.stop) == ((ir.Text('{"a":1}'),), ir.Stop("end"))
    assert second == response.candidates[1]


@given(st.text(), st.data())
def test_the_grammar_holds_for_any_split(text: str, data: st.DataObject) -> None:
    undo = Undo(answer="a", custom=frozenset({(None, "c")}), names={(None, "c"): (None, "see")})
    written = json.dumps({"input": text})
    _, pieces = data.draw(cut(st.just(written)))
    events: list[ir.Event] = [ir.Start("t"), ir.Open(0, call("a")), ir.Open(1, call("c"))]
    for piece in pieces:
        events += [ir.ArgsDelta(0, piece), ir.ArgsDelta(1, piece)]
    events += [ir.Close(1), ir.Close(0), ir.Finish(ir.Stop("tool")), ir.End()]
    (candidate,) = ir.fold(restored(undo, events)).candidates
    assert candidate.blocks == (ir.Text(written), call("see", text, kind="custom"))


TOLD = Undo(told=True)
FREE = Undo(custom=frozenset({(None, "shell")}))
WRAPPED = Undo(answer="person", member="value")


@pytest.mark.parametrize(("written", "seen"), FENCED)
def test_an_answer_that_was_asked_for_in_words_loses_its_fence(written: str, seen: str) -> None:
    assert whole(TOLD, ir.Text(written), stop="end").blocks == (ir.Text(seen),)
    opening = ir.Open(0, ir.Text(written[:4]))
    events: list[ir.Event] = [ir.Start("t"), opening, *[ir.TextDelta(0, c) for c in written[4:]]]
    ending: list[ir.Event] = [ir.Finish(ir.Stop("end")), ir.End()]
    (candidate,) = ir.fold(restored(TOLD, [*events, ir.Close(0), *ending])).candidates
    assert candidate.blocks == (ir.Text(seen),)
    (candidate,) = ir.fold(restored(TOLD, [*events, ir.Close(0, ir.Text(written)), *ending])).candidates
    assert candidate.blocks == (ir.Text(seen),)


def test_only_an_answer_that_was_asked_for_in_words_loses_its_fence() -> None:
    fenced = ir.Text("```json\n1\n```")
    assert whole(ANSWER, fenced, stop="end").blocks == (fenced,)
    thought = ir.Thinking("```json\n1\n```")
    assert whole(TOLD, thought, fenced, stop="end").blocks == (thought, ir.Text("1"))


def test_what_is_known_of_a_fences_tokens_stays() -> None:
    probs = (ir.Logprob("```", -0.1), ir.Logprob("1", -0.2), ir.Logprob("```", -0.3))
    texts = ("```\n", "1", "\n```")
    events: list[ir.Event] = [ir.Start("t"), ir.Open(0, ir.Text(""))]
    events += [ir.TextDelta(0, text, 0, (prob,)) for text, prob in zip(texts, probs, strict=True)]
    (candidate,) = ir.fold(
        restored(TOLD, [*events, ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()])
    ).candidates
    assert candidate.blocks == (ir.Text("1", logprobs=probs),)


def test_endless_blanks_are_not_held_for_a_fence() -> None:
    fence = Fence()
    assert "".join(fence.feed(" ") for _ in range(300)) + fence.close() == " " * 300
    assert fence.feed("```json\n{}") == "```json\n{}"


@given(cut(st.lists(st.sampled_from([*'\\u\\qn"aDd8Ee0', r"\ud83d", r"\ude00"])).map("".join)))
def test_odd_escapes_do_not_depend_on_the_cuts(written: tuple[str, list[str]]) -> None:
    whole, pieces = written
    head = '{"input":"'
    assert read(StringMember("input"), [head, *pieces]) == read(StringMember("input"), [head + whole])


def test_an_empty_object_inside_of_other_arguments_stays() -> None:
    assert read(StringMember("input"), ['{"text": ', "{}", "}"]) == '{"text": {}}'
    assert read(StringMember("input"), ["{}", *[" "] * 300]) == "{}" + " " * 300


@pytest.mark.parametrize(
    ("undo", "block", "pieces", "held"),
    [
        (TOLD, ir.Text(""), ["```js"], "```js"),
        (TOLD, ir.Text(""), ["```\n", "{", "``"], "``"),
        (TOLD, ir.Text(""), ["```\n", "{", "\n```"], ""),
        (FREE, call("shell"), ['{"input":"a', "\\ud83d"], "\ufffd"),
        (FREE, call("shell"), ['{"inp'], '{"inp'),
        (FREE, call("shell"), ['{"input":"a'], ""),
        (WRAPPED, call("person"), ['{"value":{"a":1', "}"], "}"),
        (WRAPPED, call("person"), ['{"value":{"a":1}', "}"], ""),
        (WRAPPED, call("person"), ['{"val'], '{"val'),
        (ANSWER, call("person"), [], ""),
    ],
)
def test_what_is_held_back_of_open_blocks_comes_before_an_error(
    undo: Undo, block: ir.Block, pieces: list[str], held: str
) -> None:
    delta = ir.TextDelta if isinstance(block, ir.Text) else ir.ArgsDelta
    events = [ir.Start("t"), ir.Open(0, block), *(delta(0, piece) for piece in pieces)]
    failed = ir.Error(ir.Fault("upstream", "broken off"))
    assert ir.Error in Restorer(undo, Report("t")).takes
    before = restored(undo, events)
    *more, last = restored(undo, [*events, failed])[len(before) :]
    assert last is failed
    assert [one.text for one in more if isinstance(one, ir.TextDelta | ir.ArgsDelta)] == [held] * bool(held)
    assert {type(one) for one in more} <= {ir.TextDelta if undo is not FREE else ir.ArgsDelta}


@pytest.mark.parametrize("last", [ir.Error(ir.Fault("upstream", "broken off")), ir.End()])
def test_what_is_held_back_comes_before_an_end_that_comes_alone(last: ir.Event) -> None:
    undo = Undo(reader=NOTATIONS["xml"].reader({"f": {}}, single=False))
    events: list[ir.Event] = [ir.Start("t"), ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hello <tool_")]
    if isinstance(last, ir.End):
        events.append(ir.Close(0))
    alone, joint = Restorer(undo, Report("t")), Restorer(undo, Report("t"))
    sent = [one for event in [*events, last] for one in through([alone], [event])]
    assert sent == list(through([joint], [*events, last]))
    assert "".join(one.text for one in sent if isinstance(one, ir.TextDelta)) == "Hello <tool_"
