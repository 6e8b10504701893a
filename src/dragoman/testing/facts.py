"""The facts that a request or an answer states. A translation must carry each of them, or report it as lost.

The words of a fact do not depend on how a dialect arranges things: a dialect may join texts, merge messages,
make new ids and leave out defaults. No fact may be left out here because some dialect lacks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.fields import PLACES
from dragoman.dialects.leftovers import KIN, SHARED, shown
from dragoman.dialects.loss import Report
from dragoman.wire.json import UNDECODABLE

_OTHERWISE = frozenset(
    {
        *("model", "stream_usage", "truncation"),
        *("messages", "system", "tools", "tool_choice", "metadata", "reasoning.mode"),
    }
)
"""Fields of a request that the gateway decides, and fields that `of_request` reads in another way than by
`_SCALARS`.
"""
_SCALARS = ("tool_choice.native", *(place for place in PLACES if place not in _OTHERWISE))
"""The fields of a request each of whose values is one fact."""

_SAYS_NOTHING: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("background", "output.strict", "sampling.logprobs", "store", "stream"), (False,)),
    **{f"sampling.{name}": (0,) for name in ("frequency_penalty", "presence_penalty", "top_logprobs")},
    "output.kind": ("text",),
    "output.modalities": (("text",),),
    "parallel": (True,),
    "reasoning.budget": (0,),
    "reasoning.effort": ("none",),
    "sampling.logit_bias": ({},),
    "sampling.n": (1,),
    "sampling.stop": ((),),
    "tier": ("auto", "default"),
}
"""By field of a request, values that state no fact: they are every dialect's default, or another fact states
the same (budget 0: the model does not think).
"""

_DESCRIBES = dict.fromkeys(
    ("output.kind", "output.name", "output.description", "output.strict"), "output.schema"
)


class Fact(msgspec.Struct, frozen=True):
    """One statement of a request or an answer.

    path: the fact's place in the IR (`messages[0].name`). kind: what the fact is about ("tool choice", "text
    of user"). words: the fact's content; two contents are compared with `==`, except texts (`missing`). of:
    the path of another object that the fact describes, None = none; if that object is lost, so is the fact.
    """

    path: str
    kind: str
    words: Any
    of: str | None = None

    def __str__(self) -> str:
        words = str(self.words)
        return f"{self.path}: {self.kind} {words if len(words) <= 200 else words[:200] + ' …'}"


def missing(before: Iterable[Fact], after: Iterable[Fact], report: Report) -> list[Fact]:
    """Return the facts of `before` that `after` does not state, or states less often, and that the report
    does not name. `after` states a fact if it has one of the same kind and words; the paths may differ.

    A text counts as stated, however often, if it occurs inside a text of the same kind, because dialects join
    texts. The report names a fact if one of its losses, changes or additions has the fact's path or `of`, or
    a path that contains the fact's path (as "" contains every path).
    """
    said = Counter((fact.kind, fact.words) for fact in after)
    texts: dict[str, list[str]] = {}
    for kind, words in said:
        if kind.startswith("text"):
            texts.setdefault(kind, []).append(words)
    named = {loss.path for loss in report.losses} | {change.path or change.to for change in report.changes}
    absent: list[Fact] = []
    reported = [(not named.isdisjoint((*_containing(fact.path), fact.of)), fact) for fact in before]
    for known, fact in sorted(reported, key=itemgetter(0)):
        if fact.kind.startswith("text"):
            found = any(fact.words in text for text in texts.get(fact.kind, ()))
        else:
            found = said[fact.kind, fact.words] > 0
            said[fact.kind, fact.words] -= found
        if not found and not known:
            absent.append(fact)
    return absent


def _containing(path: str) -> Iterator[str]:
    """Yield the path and every path that contains it: `a.b[0].c`, `a.b[0]`, `a.b`, `a`, ``."""
    yield path
    while path:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
        yield path


def of_request(request: ir.Request) -> list[Fact]:
    """Return the facts of a request. Not included are, among others, the fields that the gateway decides
    (`model`, `stream_usage`, `truncation`), the ids of calls, and values that say nothing (`_SAYS_NOTHING`).
    """
    facts: list[Fact] = []
    # By id, the last call; by name, where calls have no id, all calls in order.
    calls: dict[str | None, list[ir.ToolCall]] = {}
    for index, block in enumerate(request.system):
        facts += _of_block(block, f"system[{index}]", "system", calls)
    for index, message in enumerate(request.messages):
        path = f"messages[{index}]"
        role = "system" if message.role == "developer" else message.role
        for number, block in enumerate(message.blocks):
            if isinstance(block, ir.ToolCall):
                calls[block.id or block.name] = [*(() if block.id else calls.get(block.name, ())), block]
            facts += _of_block(block, f"{path}.blocks[{number}]", role, calls)
        facts += _stated(path, message, "name", "cache")
        facts += _of_extra(path, message.extra)
    for index, tool in enumerate(request.tools or ()):
        facts += _of_tool(tool, f"tools[{index}]")
    choice = request.tool_choice
    if choice is not None and (choice.mode != "auto" or choice.names):
        facts.append(Fact("tool_choice", "tool choice", (choice.mode, choice.names, choice.kind)))
    for path in _SCALARS:
        value = _at(request, path)
        if value is not None and value not in _SAYS_NOTHING.get(path, ()):
            facts.append(Fact(path, path, _comparable(value), _DESCRIBES.get(path)))
    if (wish := request.reasoning) is not None and (wish.mode, wish.effort, wish.budget) != (
        None,
        None,
        None,
    ):
        thinks = wish.mode != "off" and wish.effort != "none" and wish.budget != 0
        facts.append(Fact("reasoning.mode", "reasoning", thinks))
    for key, value in (request.metadata or {}).items():
        facts.append(Fact(f"metadata.{key}", f"metadata {key}", _comparable(value)))
    for name in ("output", "reasoning", "cache", "tool_choice"):
        facts += _of_extra(name, getattr(getattr(request, name), "extra", None))
    return [*facts, *_of_extra("", request.extra)]


def _of_tool(tool: ir.Tool, path: str) -> Iterator[Fact]:
    if isinstance(tool, ir.ProviderTool):
        yield Fact(path, "provider's tool", tool.kind)
        for key, value in (tool.options or {}).items():
            yield Fact(f"{path}.options.{key}", f"{tool.kind} {key}", _comparable(value))
        yield from _stated(path, tool, "cache")
        return
    yield Fact(path, "tool", (tool.kind, tool.name))
    for field in ("description", "parameters", "format", "strict"):
        if (value := getattr(tool, field)) is not None and value is not False:
            yield Fact(f"{path}.{field}", f"{field} of {tool.name}", _comparable(value))
    yield from _stated(path, tool, "cache")
    yield from _of_extra(path, tool.extra)


def of_response(response: ir.Response) -> list[Fact]:
    """Return the facts of an answer. Not included are, among others, `dialect`, `created`, `echo`, a default
    tier ("auto", "default"), the ids of calls, and usage's `form` and `estimated`. Of `error`, only kind and
    message are included. That the usage is unknown is a fact, too.
    """
    facts = [*_stated("", response, "id", "model", "status")]
    if response.tier is not None and response.tier not in _SAYS_NOTHING["tier"]:
        facts.append(Fact("tier", "tier", response.tier))
    for candidate in response.candidates:
        path = f"candidates[{candidate.index}]"
        for number, block in enumerate(candidate.blocks):
            facts += _of_block(block, f"{path}.blocks[{number}]", f"candidate {candidate.index}", {})
        if candidate.stop is not None:
            facts.append(Fact(f"{path}.stop.reason", "stop", (candidate.index, candidate.stop.reason)))
            facts += _stated(f"{path}.stop", candidate.stop, "sequence")
            facts += _detailed(f"{path}.stop.detail", candidate.stop.detail)
        facts += _of_extra(path, candidate.extra)
    facts += _of_usage(response.usage)
    if response.error is not None:
        facts.append(Fact("error", "error", (response.error.kind, response.error.message)))
    return [*facts, *_of_extra("", response.extra)]


def _of_usage(usage: ir.Usage | None) -> Iterator[Fact]:
    if usage is None:
        yield Fact("usage", "usage", None)
        return
    yield Fact("usage.input", "input tokens", usage.input_total)
    yield Fact("usage.output", "output tokens", usage.output_total)
    for field in ("cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "tool_input", "reasoning"):
        if value := getattr(usage, field):
            yield Fact(f"usage.{field}", field, value)
    yield from _detailed("usage.detail", usage.detail)
    for index, (model, other) in enumerate(usage.others):
        yield Fact(f"usage.others[{index}]", "usage of", (model, other.total))
    yield from _of_extra("usage", usage.extra)


_Calls = Mapping[str | None, list[ir.ToolCall]]


def _of_block(block: ir.Block, path: str, role: str, calls: _Calls) -> Iterator[Fact]:
    yield from _SAYS[type(block)](block, path, role, calls)
    if (sealed := getattr(block, "sealed", None)) is not None:
        yield Fact(f"{path}.sealed", "seal", sealed.data)
    yield from _stated(path, block, "cache")
    yield from _of_extra(path, getattr(block, "extra", None))


def _of_text(block: ir.Text | ir.Refusal, path: str, role: str, _: _Calls) -> Iterator[Fact]:
    yield from _text(path, role, block.text)
    for index, citation in enumerate(getattr(block, "citations", ())):
        source = (citation.url or None, citation.title or None, citation.quote or None)
        yield Fact(f"{path}.citations[{index}]", "citation", source)
        if citation.source:
            yield Fact(f"{path}.citations[{index}].source", "place", _comparable(citation.source))
    if block.logprobs:
        words = tuple((item.token, item.logprob) for item in block.logprobs)
        yield Fact(f"{path}.logprobs", "logprobs", words)


def _of_thinking(block: ir.Thinking, path: str, role: str, _: _Calls) -> Iterator[Fact]:
    for text in (block.text, *block.summary):
        yield from _text(path, f"{role}, thinking", text)


def _of_call(block: ir.ToolCall, path: str, _role: str, _: _Calls) -> Iterator[Fact]:
    yield Fact(path, "call", (block.by, block.name, _arguments(block)))


def _of_result(block: ir.ToolResult, path: str, _role: str, calls: _Calls) -> Iterator[Fact]:
    waiting = calls.get(block.id or block.name)
    call = None if not waiting else waiting[0] if block.id else waiting.pop(0)
    words = (block.by, block.name, None) if call is None else (block.by, call.name, _arguments(call))
    if call is not None or block.name is not None:  # the result of an unknown call has only its content
        yield Fact(path, "result of", words)
    if block.error:
        yield Fact(f"{path}.error", "failed result of", words)
    for index, inner in enumerate(block.content):
        yield from _of_block(inner, f"{path}.content[{index}]", "result", calls)


_USUAL = str.maketrans("-_", "+/")
"""A table for `str.translate`: from the URL-safe alphabet of base64 to the standard one."""


def _of_media(block: ir.Media, path: str, role: str, calls: _Calls) -> Iterator[Fact]:
    data = block.data and block.data.translate(_USUAL).rstrip("=")  # some protocols send no padding
    yield Fact(path, block.kind, data or block.url or block.file or block.text)
    yield from _stated(path, block, "transcript", "name", "context", "citable")
    if block.detail != "auto":  # every dialect's default
        yield from _stated(path, block, "detail")
    for index, inner in enumerate(block.blocks or ()):
        yield from _of_block(inner, f"{path}.blocks[{index}]", role, calls)


def _of_json(block: ir.Json, path: str, role: str, _: _Calls) -> Iterator[Fact]:
    yield from _text(path, role, msgspec.json.encode(block.value).decode())


def _of_native(block: ir.Native, path: str, _role: str, _: _Calls) -> Iterator[Fact]:
    yield Fact(path, "native", (block.dialect, block.kind, _comparable(block.value)))


_SAYS: dict[type, Callable[[Any, str, str, _Calls], Iterator[Fact]]] = {
    ir.Text: _of_text,
    ir.Refusal: _of_text,
    ir.Thinking: _of_thinking,
    ir.ToolCall: _of_call,
    ir.ToolResult: _of_result,
    ir.Media: _of_media,
    ir.Json: _of_json,
    ir.Native: _of_native,
}


def _text(path: str, role: str, text: str) -> Iterator[Fact]:
    if text:
        yield Fact(f"{path}.text", f"text of {role}", text)


def _arguments(call: ir.ToolCall) -> str:
    """Return the call's arguments in canonical form: no white space, sorted members, `{}` for none. Text that
    is not JSON, and a custom tool's text, is not changed.
    """
    if call.kind == "custom":
        return call.arguments
    try:
        return msgspec.json.encode(msgspec.json.decode(call.arguments or "{}"), order="sorted").decode()
    except UNDECODABLE:
        return call.arguments


def _stated(path: str, value: Any, *fields: str) -> Iterator[Fact]:
    for field in fields:
        inner = getattr(value, field, None)
        if isinstance(inner, ir.CacheMark):
            yield Fact(f"{path}.{field}", "cache mark", inner.ttl)
            yield from _of_extra(f"{path}.{field}", inner.extra)
        elif inner is not None:
            yield Fact(f"{path}.{field}" if path else field, field, inner)


def _detailed(path: str, detail: Mapping[str, Any] | None) -> Iterator[Fact]:
    for key, value in (detail or {}).items():
        if value:
            yield Fact(f"{path}.{key}", key, _comparable(value))


def _of_extra(path: str, extra: ir.Extra) -> Iterator[Fact]:
    """Yield the facts of unknown keys. extra: {dialect: {key: value}}, of the value at the IR path `path`. A
    fact's path is the one at which encoders report the loss of the key. Null is not a fact.
    """
    for dialect, members in (extra or {}).items():
        for key, value in members.items():
            if value is not None:
                place = f"{path}.{shown(key)}" if path else shown(key)
                whose = "both" if dialect in KIN and key in SHARED and ".blocks[" not in path else dialect
                yield Fact(place, "extra", (whose, key, _comparable(value)))


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def _comparable(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return msgspec.json.encode(value, order="sorted").decode()
