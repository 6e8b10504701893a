"""Makes the simulator's answer as events. Pure: the same request, plan and seed give the same answer.

Each candidate (alternative answer) has its own random numbers. It is made as parts: blocks with their tokens.
The limit of tokens shortens the parts, a stop sequence only the text. The usage counts the tokens that
remain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import zip_longest
from typing import Any, Final, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.schema_budget import SchemaBudget
from dragoman.upstreams.simulate.example import example
from dragoman.upstreams.simulate.plan import Plan
from dragoman.upstreams.simulate.words import Draw, prose, sentence, token_count, tokens, word

DIALECT: Final = "simulate"
MEDIUM: Final = 256
"""The number of tokens that a picture, a sound, a video or a file counts as, except a document that is given
as text.
"""
MOST: Final = 100_000
"""The most tokens of all candidates together; each alternative token in log probabilities counts as two
tokens here. An answer that is cut at this limit has the stop reason `length`.
"""
_LONGEST_TOKEN: Final = 6
_NAMED: Final = 20_000
"""Only this number of characters at the end of the user's text are searched for names of tools."""
_SEARCHED: Final = 20_000_000
"""The most characters that are searched for all tool names together; with many tools, a shorter end of the
text is searched.
"""
_CALL: Final = 10
"""The steps of the budget (`SchemaBudget`) that a tool call takes, in addition to those for its arguments."""


class Part(msgspec.Struct):
    """One block of an answer. block: the block without its content. pieces: the content, as tokens."""

    block: ir.Text | ir.Refusal | ir.Thinking | ir.ToolCall
    pieces: list[str]


Candidate: TypeAlias = tuple[list[Part], ir.Stop]
"""The parts of one candidate, and its stop reason."""


def drafted(request: ir.Request, plan: Plan, said: str, seed: int) -> list[Candidate]:
    """Return the candidates (alternative answers) of the answer: `request.sampling.n` of them, or one. Each
    has at most `request.max_output` tokens, if that is stated; together they have at most `MOST` tokens.
    said: the text of the last user message, without instructions to the simulator. seed: decides the random
    numbers, together with the request. Raises WireError, with a path in the IR, for a schema that is
    malformed, for which no value is found, or whose value would be too large.
    """
    asked = (seed, request.system, request.messages, request.tools, request.tool_choice, request.output)
    key = blake2b(msgspec.json.encode(asked), digest_size=32)
    count = request.sampling.n or 1
    told = count * (1 + 2 * (request.sampling.top_logprobs or 0))  # each logprob is a JSON object
    limit = min(MOST // told, MOST if request.max_output is None else request.max_output)
    budget = SchemaBudget("output.schema")  # shared by all candidates and their calls
    candidates: list[Candidate] = []
    for index in range(count):
        own = key.copy()
        own.update(str(index).encode())
        candidates.append(_Drafter(request, plan, said, Draw(own), limit=limit, budget=budget).candidate())
    return candidates


def spoken(candidates: Sequence[Candidate]) -> int:
    """Return the number of tokens in all candidates together."""
    return sum(len(part.pieces) for parts, _ in candidates for part in parts)


def events(request: ir.Request, candidates: Sequence[Candidate]) -> Iterator[ir.Event]:
    """Yield the events of an answer with these candidates: the Start (with the number of input tokens), then
    one event of each candidate in turn until all have ended, then the token counts and the End. Tokens of
    thinking count as `reasoning`, not as `output`.
    """
    taken = counted(request)
    yield ir.Start(DIALECT, model=request.model, usage=ir.Usage(input=taken))
    said_by_turns = [_events(request, parts, stop, index) for index, (parts, stop) in enumerate(candidates)]
    for turn in zip_longest(*said_by_turns):
        yield from (event for event in turn if event is not None)
    every = [part for parts, _ in candidates for part in parts]
    thought = sum(len(part.pieces) for part in every if isinstance(part.block, ir.Thinking))
    yield ir.Tally(ir.Usage(input=taken, output=spoken(candidates) - thought, reasoning=thought))
    yield ir.End()


class _Drafter:
    """Makes one candidate (alternative answer). said: the text of the last user message. draw: the random
    numbers. limit: the most tokens of the candidate. budget: limits the size of values made from schemas.
    """

    def __init__(
        self, request: ir.Request, plan: Plan, said: str, draw: Draw, *, limit: int, budget: SchemaBudget
    ) -> None:
        self._request = request
        self._plan = plan
        self._said = said
        self._draw = draw
        self._limit = limit
        self._budget = budget

    def candidate(self) -> Candidate:
        request, draw, plan = self._request, self._draw, self._plan
        parts: list[Part] = []
        if plan.thinks or _asks_to_think(request.reasoning):
            parts.append(Part(ir.Thinking(), tokens(f"Let me see. {sentence(draw)} {sentence(draw)}")))
        stop = ir.Stop("end")
        if functions := _to_call(request, plan, self._said):
            parts += [self._call(index, function) for index, function in functions]
            stop = ir.Stop("tool")
        elif plan.refuses:
            parts.append(Part(ir.Refusal(""), tokens("I was told to refuse this, so I do.")))
            stop = ir.Stop("filter")
        else:
            text, sequence = _until(self._bounded(self._text()), request.sampling.stop or ())
            parts.append(Part(ir.Text(""), tokens(text)))
            if sequence is not None:
                stop = ir.Stop("sequence", sequence=sequence)
        if _shorten(parts, self._limit):
            stop = ir.Stop("length")
        return parts, stop

    def _bounded(self, text: str) -> str:
        """Return the beginning of the text: at most 12 characters for each token of the limit, plus 12. So a
        long text takes no time.
        """
        most = (self._limit + 1) * _LONGEST_TOKEN * 2
        return text if len(text) <= most else text[:most]

    def _text(self) -> str:
        request, plan, draw = self._request, self._plan, self._draw
        output = request.output
        if output is not None and output.kind == "schema":
            self._budget.path = "output.schema"
            return _json(example(output.schema, draw, self._budget))
        if output is not None and output.kind == "json":
            said = self._bounded(self._said)
            return _json({"answer": said.strip() if plan.kind == "echo" else sentence(draw)})
        results = _results(request)
        if results:
            return " ".join(f"The tool {name} returned: {text}" for name, text in results)
        if plan.kind == "echo":
            return self._said
        length = 24 + draw.below(48) if plan.length is None else plan.length
        return prose(draw, min(length, self._limit + 1))

    def _call(self, index: int, function: ir.Function) -> Part:
        draw, budget = self._draw, self._budget
        budget.path = f"tools[{index}].parameters"
        budget.spend(_CALL)
        identity = f"call_{draw.hex(24)}"
        if function.kind == "custom":
            return Part(
                ir.ToolCall(identity, function.name, kind="custom"), tokens(f"{word(draw)} {word(draw)}")
            )
        arguments = _json(example(function.parameters or {"type": "object"}, draw, budget))
        return Part(ir.ToolCall(identity, function.name), tokens(arguments))


def _asks_to_think(reasoning: ir.Reasoning | None) -> bool:
    if reasoning is None or reasoning.mode == "off" or reasoning.effort == "none":
        return False
    return bool(reasoning.mode or reasoning.effort or reasoning.budget)


def _until(text: str, sequences: Sequence[str]) -> tuple[str, str | None]:
    """Return (the text before the first stop sequence in it, this sequence). Return (the complete text, None)
    if the text contains no stop sequence. Empty sequences are ignored.
    """
    found = [(place, one) for one in sequences if one and (place := text.find(one)) >= 0]
    if not found:
        return text, None
    place, sequence = min(found)
    return text[:place], sequence


def _shorten(parts: list[Part], limit: int) -> bool:
    """Cut the parts in place, so that they have at most `limit` tokens together. Return whether anything was
    cut.
    """
    left = limit
    for place, part in enumerate(parts):
        if len(part.pieces) > left:
            part.pieces = part.pieces[:left]
            del parts[place + 1 :]
            return True
        left -= len(part.pieces)
    return False


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _to_call(request: ir.Request, plan: Plan, said: str) -> list[tuple[int, ir.Function]]:
    """Return the functions to call, each with its index in the request's tools; [] = none. The allowed
    functions are those that the tool choice names, or all if it names none.

    The allowed functions that the user's text names are called. If the tool choice forces a call and the text
    names none, the first allowed function is called. If the choice forces none, functions that were called
    since the user's message are not called again, and after tool results perhaps none is.

    `plan.calls`, if not 0, is the number of calls: these functions in turn or, if there are none, all allowed
    functions in turn. If the request forbids parallel calls, only the first call is returned.
    """
    choice = request.tool_choice or ir.ToolChoice("auto")
    functions = [(at, tool) for at, tool in enumerate(request.tools or ()) if isinstance(tool, ir.Function)]
    chosen = frozenset(choice.names or ())
    allowed = [(at, tool) for at, tool in functions if not chosen or tool.name in chosen]
    if choice.mode == "none" or not allowed:
        return []
    names = _named(said, [tool.name for _, tool in allowed])
    named = [(at, tool) for at, tool in allowed if tool.name in names]
    if choice.mode in {"any", "tool"}:
        calls = named or allowed[:1]
    else:
        called = _called(request)
        calls = [(at, tool) for at, tool in named if tool.name not in called]
        if not calls and _results(request):
            return []
    if plan.calls:
        pool = calls or allowed
        calls = [pool[place % len(pool)] for place in range(plan.calls)]
    return calls[:1] if request.parallel is False else calls


def _called(request: ir.Request) -> set[str | None]:
    """Return the names of the tools that were called after the user's last message. The names come from the
    calls and from the results; None = a result without a name. A message with tool results does not count as
    a message of the user.
    """
    called: set[str | None] = set()
    for message in reversed(request.messages):
        if message.role == "user" and not any(isinstance(block, ir.ToolResult) for block in message.blocks):
            break
        for block in message.blocks:
            if isinstance(block, ir.ToolCall | ir.ToolResult):
                called.add(block.name)
    return called


def _named(said: str, names: Sequence[str]) -> frozenset[str]:
    """Return those of `names` that the text contains as whole words. Upper and lower case count as equal. A
    `_` in a name also matches white space. Only the end of a long text is searched.
    """
    said = said[-min(_NAMED, _SEARCHED // len(names)) :]
    joined = _BLANK.sub("_", said.lower())
    return frozenset(
        name for name in names if _BLANK.sub("_", name.lower()) in joined and _stands_alone(said, name)
    )


_BLANK: Final = re.compile(r"\s")


def _stands_alone(said: str, name: str) -> bool:
    spelled = re.escape(name).replace("_", r"[_\s]")
    return re.search(rf"(?<![\w-]){spelled}(?![\w-])", said, re.IGNORECASE) is not None


def _results(request: ir.Request) -> list[tuple[str, str]]:
    """Return (name of the tool, text) for each tool result at the end of the conversation: in the last
    messages, back to the last message without tool results. The name is "?" if neither the call nor the
    result states it.
    """
    calls = {
        block.id: block.name
        for message in request.messages
        for block in message.blocks
        if isinstance(block, ir.ToolCall)
    }
    found: list[tuple[str, str]] = []
    for message in reversed(request.messages):
        results = [block for block in message.blocks if isinstance(block, ir.ToolResult)]
        if not results:
            break
        found[:0] = [(calls.get(one.id) or one.name or "?", _plain(one.content)) for one in results]
    return found


def _plain(blocks: Sequence[ir.Block]) -> str:
    texts = (
        _json(block.value) if isinstance(block, ir.Json) else getattr(block, "text", None) for block in blocks
    )
    return " ".join(text for text in texts if text)


_DELTAS: Final[dict[type, Callable[[int, str, int], ir.Event]]] = {
    ir.Text: ir.TextDelta,
    ir.Refusal: ir.RefusalDelta,
    ir.Thinking: ir.ThinkDelta,
    ir.ToolCall: ir.ArgsDelta,
}


def _events(request: ir.Request, parts: Sequence[Part], stop: ir.Stop, candidate: int) -> Iterator[ir.Event]:
    for index, part in enumerate(parts):
        yield ir.Open(index, part.block, candidate)
        delta = _DELTAS[type(part.block)]
        for piece in part.pieces:
            if request.sampling.logprobs and isinstance(part.block, ir.Text):
                yield ir.TextDelta(index, piece, candidate, (_logprob(piece, request.sampling.top_logprobs),))
            else:
                yield delta(index, piece, candidate)
        yield ir.Close(index, None, candidate)
    yield ir.Finish(stop, candidate)


def _logprob(piece: str, top: int | None) -> ir.Logprob:
    """Return a made-up log probability of a token. top: how many alternatives to list with it; the token
    itself is the first of them. None or 0 = list none.
    """
    said = ir.Logprob(piece, -0.1, tuple(piece.encode()))
    others = (ir.Logprob(f"{piece}{'…' * place}", -2.0 - place) for place in range(1, top or 0))
    return said if top is None else msgspec.structs.replace(said, top=(said, *others) if top else ())


def counted(request: ir.Request) -> int:
    """Return the number of input tokens: those of the text, the thinking, the tool calls, the tool results
    and the tool definitions, `MEDIUM` for each picture, sound, video or file (except a document that is given
    as text), and 4 for each message.
    """
    total = sum(_tokens(block) for block in request.system)
    for message in request.messages:
        total += 4 + sum(_tokens(block) for block in message.blocks)
    for tool in request.tools or ():
        total += token_count(_json(tool))
    return total


def _tokens(block: ir.Block) -> int:
    if isinstance(block, ir.Media):
        return MEDIUM if block.text is None else token_count(block.text)
    if isinstance(block, ir.ToolCall):
        return token_count(block.name) + token_count(block.arguments)
    if isinstance(block, ir.ToolResult):
        return sum(_tokens(inner) for inner in block.content)
    if isinstance(block, ir.Json | ir.Native):
        return token_count(_json(block.value))
    return token_count(block.text)
