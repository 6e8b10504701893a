"""Decodes and encodes completions requests.

A prompt is one user message with a Text. Content that only this protocol has (several prompts, token ids, the
suffix) is a Native. `logprobs: n` means log probabilities with n alternatives for each token.

Request.forms says how the client wrote a field: "prompt": "list" for a list with one prompt; "max_output":
"default" if the client stated no limit, so that the default of 16 tokens applies; "stop": "string" for a bare
string; "stream": "false" for a stated false; "echo": "true" or "false". If the client asks for its prompt in
the response (`echo`) and the answer comes in another dialect, the gateway repeats the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.facts import Facts
from dragoman.dialects.fields import STATE, Fields, within
from dragoman.dialects.leftovers import lose_item
from dragoman.dialects.openai_completions.check import EXTENSIONS, SCALARS
from dragoman.dialects.openai_completions.terms import (
    NAME,
    PATH,
    PROMPTS,
    SUFFIX,
    TOKENS,
    leftovers,
    restore,
)
from dragoman.dialects.request import LEFT_OUT, Target, WireRequest, states
from dragoman.errors import WireError

_SCALARS: Final = frozenset({*SCALARS, *EXTENSIONS})
MAPS: Final = _SCALARS | frozenset(
    {
        *("model", "prompt", "suffix", "echo", "max_tokens", "logprobs", "stop", "stream"),
        *("stream_options", "user"),
    }
)
"""The top-level members that have a field in `ir.Request` or a word in `Request.forms`; all others that are
not null are leftovers in `Request.extra`.
"""
_STREAM_OPTIONS: Final = frozenset({"include_usage"})
_MAX_TOKENS: Final = 16
"""OpenAI's default for `max_tokens`."""
_ENOUGH: Final = 4096
"""`max_tokens` if neither the request nor the model has a known limit; less if the prompt leaves less of the
context window free (`_free_tokens`). The API's default of 16 would cut most answers off.
"""
_MAX_LOGPROBS: Final = 5
_MOST_ANSWERS: Final = 16
"""The most answers (prompts times `n`) for which `parts` makes requests, which run one after another."""


# --- Decoding ----------------------------------------------------------------------------------


def decode_request(wire: WireRequest) -> ir.Request:
    """Return the decoded request; without `max_tokens` its `max_output` is 16, OpenAI's default. wire: a
    request that `check` has accepted.
    """
    body = wire.body
    get = body.get
    forms: dict[str, str] = {}
    if get("stream") is False:
        forms["stream"] = "false"
    if (echo := get("echo")) is not None:
        forms["echo"] = "true" if echo else "false"
    if (limit := get("max_tokens")) is None:
        limit = _MAX_TOKENS
        forms["max_output"] = LEFT_OUT
    options = get("stream_options") or {}
    return ir.Request(
        NAME,
        get("model"),
        (ir.Message("user", _decode_prompt(get("prompt"), get("suffix"), forms)),),
        sampling=_decode_sampling(body, forms),
        max_output=limit,
        user=get("user"),
        stream=get("stream") is True,
        stream_usage=options.get("include_usage"),
        forms=forms or None,
        extra=ir.merge(leftovers(body, MAPS), leftovers(options, _STREAM_OPTIONS, "stream_options")),
    )


def brief(wire: WireRequest) -> ir.Request:
    """Return an IR request with only the fields that decide the form of the response: the model, `stream` and
    `stream_usage`. wire: a request that `check` has accepted.
    """
    get = wire.body.get
    usage = (get("stream_options") or {}).get("include_usage")
    return ir.Request(NAME, get("model"), stream=get("stream") is True, stream_usage=usage)


def portable(wire: WireRequest) -> None:
    """Raise WireError for a prompt that cannot be translated into one request of another protocol: several
    prompts in one list, or token ids. Several prompts can be split before (`parts`).
    """
    prompt = wire.body.get("prompt")
    if type(prompt) is not list or (len(prompt) == 1 and type(prompt[0]) is str):
        return
    what = "several prompts in one request" if type(prompt[0]) is str else "a prompt of token ids"
    raise WireError(f"{what} can only be sent to a provider with the Completions API", "prompt", _UNSUPPORTED)


def parts(request: ir.Request) -> Sequence[ir.Request]:
    """Split a request with several prompts into requests with one prompt and one answer each, for a provider
    of another protocol, in the order of the choices in the response: for each prompt, `n` times the same
    request. [] = the request has only one prompt, or prompts of token ids. Raises WireError if this makes
    more than `_MOST_ANSWERS` requests.
    """
    prompts = _prompts(request)
    times = request.sampling.n or 1
    if len(prompts) * times > _MOST_ANSWERS:
        what = f"a model of another API accepts at most {_MOST_ANSWERS} prompts in one request"
        raise WireError(what, "prompt", _UNSUPPORTED)
    once = msgspec.structs.replace(request.sampling, n=None)
    asked: list[ir.Request] = []
    for prompt in prompts:
        blocks = tuple(
            ir.Text(prompt) if _is_prompts(block) else block for block in request.messages[0].blocks
        )
        message = msgspec.structs.replace(request.messages[0], blocks=blocks)
        messages = (message, *request.messages[1:])
        asked += [msgspec.structs.replace(request, messages=messages, sampling=once)] * times
    return asked


def _is_prompts(block: ir.Block) -> bool:
    return isinstance(block, ir.Native) and block.dialect == NAME and block.kind == PROMPTS


def _prompts(request: ir.Request) -> Sequence[str]:
    blocks = request.messages[0].blocks if request.messages else ()
    found = next((block.value for block in blocks if isinstance(block, ir.Native) and _is_prompts(block)), ())
    return found if found and type(found[0]) is str else ()


def _decode_prompt(prompt: Any, suffix: str | None, forms: dict[str, str]) -> tuple[ir.Block, ...]:
    block: ir.Block
    if type(prompt) is not list:
        block = ir.Text(prompt or "")
    elif type(prompt[0]) is not str:
        block = ir.Native(NAME, TOKENS, prompt)
    elif len(prompt) == 1:
        forms["prompt"] = "list"
        block = ir.Text(prompt[0])
    else:
        block = ir.Native(NAME, PROMPTS, prompt)
    return (block,) if suffix is None else (block, ir.Native(NAME, SUFFIX, suffix))


def _decode_sampling(body: Mapping[str, Any], forms: dict[str, str]) -> ir.Sampling:
    stated = {member: body[member] for member in _SCALARS & body.keys()}
    stop, logprobs = body.get("stop"), body.get("logprobs")
    if isinstance(stop, str):
        forms["stop"] = "string"
        stop = (stop,)
    return ir.Sampling(
        **stated,
        stop=tuple(stop) if stop is not None else None,
        logprobs=None if logprobs is None else True,
        top_logprobs=logprobs,
    )


def prompt_of(request: ir.Request, candidate: int = 0) -> str:
    """Return the text of the prompt that one choice of the response continues. candidate: the index of this
    choice, which matters only if the request has several prompts. "" for a prompt of token ids, and if the
    index belongs to none of several prompts. For a request of another dialect, it is the text of the first
    message.
    """
    if prompts := _prompts(request):
        place = candidate // (request.sampling.n or 1)
        return prompts[place] if place < len(prompts) else ""
    blocks = request.messages[0].blocks if request.messages else ()
    return "".join([block.text for block in blocks if isinstance(block, ir.Text)])


def echoed(request: ir.Request, candidate: int = 0) -> str:
    """Return the prompt that the gateway must put before a choice of another dialect's answer. "" if the
    client did not ask for this (`echo`), or uses another dialect. The caller has checked that the answer came
    in another dialect. candidate: the index of the choice.
    """
    wanted = request.dialect == NAME and (request.forms or {}).get("echo") == "true"
    return prompt_of(request, candidate) if wanted else ""


# --- Encoding ----------------------------------------------------------------------------------


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """Return the request for an upstream of this dialect. Losses and changes are reported to `target.report`.
    A request without a limit (`max_output` is None) gets the `max_tokens` of `_free_tokens`. Raises
    WireError, with a path in the IR, for content that a prompt cannot have, such as a message of the
    assistant, a medium or, in a request of another dialect, a tool.
    """
    draft = Draft(target.report, target.quirks, target.facts, own=request.dialect == NAME)
    forms = (request.forms or {}) if draft.own else {}
    body: dict[str, Any] = {"model": target.model if target.model is not None else request.model}
    _encode_prompt(body, request, forms, draft)
    if "echo" in forms:
        body["echo"] = forms["echo"] == "true"
    if request.max_output is None:
        body["max_tokens"] = _free_tokens(body["prompt"], target.facts)
        draft.report.add("max_tokens", f"without it a response ends after {_MAX_TOKENS} tokens")
    elif forms.get("max_output") != LEFT_OUT:
        body["max_tokens"] = request.max_output
    _encode_sampling(body, request, forms, draft)
    if request.user is not None:
        body["user"] = request.user
    _encode_stream(body, request, forms, draft)
    _lose_foreign(body, request, draft)
    if request.extra is not None:
        restore(body, request.extra, draft.report, "")
    return WireRequest("chat", body, path=PATH)


def _free_tokens(prompt: Any, facts: Facts) -> int:
    """Return the value of `max_tokens` for a request that states none: the model's limit or, if that is
    unknown, `_ENOUGH`; but at most what the prompt (in any of the API's forms) leaves free of a known context
    window, or a quarter of the window if that is more. Each byte of a text counts as one token.
    """
    most = facts.max_output or _ENOUGH
    if facts.context is None:
        return most
    return min(most, max(facts.context - _most_tokens(prompt), facts.context // 4))


def _most_tokens(prompt: Any) -> int:
    """Return the number of tokens of the longest prompt, at most: the bytes of a text, or the number of its
    token ids. prompt: a text, a list of token ids, or a list of several of these.
    """
    if type(prompt) is str:
        return len(prompt.encode())
    inner = [one for one in prompt if type(one) is not int]
    return max(map(_most_tokens, inner), default=len(prompt))


def _encode_prompt(body: dict[str, Any], request: ir.Request, forms: Mapping[str, str], draft: Draft) -> None:
    texts: list[str] = []
    body["prompt"] = ""
    if request.system:
        _take_blocks(body, request.system, texts, draft, "system")
        draft.report.change("system", "prompt", _LEADING)
    asked = False
    for index, message in enumerate(request.messages):
        where = f"messages[{index}]"
        if asked or message.role == "assistant":
            raise WireError("the Completions API accepts one prompt, not a conversation", where, _UNSUPPORTED)
        asked = message.role == "user"
        _take_blocks(body, message.blocks, texts, draft, f"{where}.blocks")
        _lose_message_members(message, draft, where)
    if texts:
        body["prompt"] = "\n\n".join(texts)
    if forms.get("prompt") == "list":
        body["prompt"] = [body["prompt"]]


_LEADING: Final = "the system prompt is put before the prompt"
_UNSUPPORTED: Final = "unsupported_value"


def _take_blocks(
    body: dict[str, Any], blocks: Sequence[ir.Block], texts: list[str], draft: Draft, where: str
) -> None:
    for index, block in enumerate(blocks):
        place = f"{where}[{index}]"
        if isinstance(block, ir.Text):
            texts.append(block.text)
            _lose_text_members(block, draft, place)
        elif not isinstance(block, ir.Native):
            raise WireError("the Completions API accepts only text", place, _UNSUPPORTED)
        elif block.dialect != NAME:
            draft.report.lose(place, no_form(block.dialect, block.kind))
        else:
            body["suffix" if block.kind == SUFFIX else "prompt"] = block.value


def _lose_message_members(message: ir.Message, draft: Draft, where: str) -> None:
    if message.role != "user":
        draft.report.change(where, "prompt", _LEADING)
    if message.name is not None:
        draft.report.lose(f"{where}.name", "the Completions API has no author names", "hint")
    if message.cache is not None:
        draft.report.lose(f"{where}.cache", "the provider has no cache breakpoints", "hint")
    restore({}, message.extra, draft.report, where)


def _lose_text_members(block: ir.Text, draft: Draft, where: str) -> None:
    lose_item(block, draft.report, where)
    if block.cache is not None:
        draft.report.lose(f"{where}.cache", "the provider has no cache breakpoints", "hint")
    if block.sealed is not None:
        draft.leave_seal(where)
    for index in range(len(block.citations)):
        draft.report.lose(f"{where}.citations[{index}]", "the Completions API has no citations", "quality")
    restore({}, block.extra, draft.report, where)


def _encode_sampling(
    body: dict[str, Any], request: ir.Request, forms: Mapping[str, str], draft: Draft
) -> None:
    sampling = request.sampling
    for member in SCALARS:
        if (value := getattr(sampling, member)) is not None:
            body[member] = value
    for member in EXTENSIONS:
        value = getattr(sampling, member)
        if value is None:
            continue
        if member in draft.quirks.extensions or states(request, NAME, f"sampling.{member}"):
            body[member] = value
    FIELDS.lose(sampling, draft.report, "sampling", written=body)
    if sampling.stop is not None:
        body["stop"] = sampling.stop[0] if forms.get("stop") == "string" else list(sampling.stop)
    if sampling.logprobs or sampling.top_logprobs:
        asked = sampling.top_logprobs or 0
        stated = states(request, NAME, "sampling.top_logprobs")
        body["logprobs"] = asked if stated else min(asked, _MAX_LOGPROBS)
        if asked != body["logprobs"]:
            draft.report.change("sampling.top_logprobs", "logprobs", f"limited to {_MAX_LOGPROBS}")
            draft.report.lose(
                "sampling.top_logprobs", f"the Completions API returns at most {_MAX_LOGPROBS}", "quality"
            )


def _encode_stream(body: dict[str, Any], request: ir.Request, forms: Mapping[str, str], draft: Draft) -> None:
    if request.stream:
        body["stream"] = True
        own = (request.extra or {}).get(NAME, {})
        if request.stream_usage is not None and (draft.own or draft.quirks.stream_options):
            body["stream_options"] = {"include_usage": request.stream_usage}
        elif any(key.startswith("stream_options.") for key in own):
            body["stream_options"] = {}
    elif "stream" in forms:
        body["stream"] = False


def _encode_format(body: dict[str, Any], wish: ir.Output) -> ir.Output:
    """Write the wanted form of the answer (`wish`), any JSON object or a schema, as chat's `response_format`
    into the body. Returns a copy of `wish` without the settings that were written. If it wants plain text,
    nothing is written, and `wish` itself is returned.
    """
    if wish.kind == "json":
        body["response_format"] = {"type": "json_object"}
    elif wish.kind == "schema":
        members = {
            "name": wish.name or "answer",
            "description": wish.description,
            "schema": wish.schema,
            "strict": wish.strict,
        }
        schema = {name: value for name, value in members.items() if value is not None}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    else:
        return wish
    return msgspec.structs.replace(
        wish, kind="text", schema=None, name=None, description=None, strict=None, form=None
    )


def _lose_foreign(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    if request.tools and draft.own:  # they are from the configuration
        draft.report.lose("tools", _NO_CALLS)
    elif request.tools:
        raise WireError(_NO_CALLS, "tools", _UNSUPPORTED)
    FIELDS.lose(request, draft.report)
    if request.tool_choice is not None:
        draft.report.lose("tool_choice", "the request has no tools", "hint")
    if request.parallel:
        draft.report.lose("parallel", "the request has no tools", "hint")
    if (wish := request.output) is not None:
        if draft.quirks.completion_format:
            wish = _encode_format(body, wish)
        if wish.schema is not None:  # with the schema, `strict` is lost too
            wish = msgspec.structs.replace(wish, strict=None)
        FIELDS.lose(wish, draft.report, "output")
        restore({}, wish.extra, draft.report, "output")
    if (cache := request.cache) is not None:
        FIELDS.lose(cache, draft.report, "cache")
        restore({}, cache.extra, draft.report, "cache")


_NO_CALLS: Final = "the Completions API has no tool calls"
FIELDS: Final = Fields(
    NAME,
    handled={
        encode_request: ("model", "max_output", "user"),
        _encode_prompt: ("system", "messages"),
        _encode_sampling: (
            *within("sampling", "stop logprobs top_logprobs"),
            *(f"sampling.{member}" for member in SCALARS),
        ),
        _encode_stream: ("stream", "stream_usage"),
        _lose_foreign: ("tools", "tool_choice", "parallel"),
    },
    lost={
        **{f"sampling.{member}": f"the provider has no {member}" for member in EXTENSIONS},
        "reasoning": "the Completions API has no reasoning",
        "safety_identifier": "the Completions API has no such parameter",
        "metadata": "the Completions API has no metadata",
        "tier": "the Completions API has no service tiers",
        "store": "the Completions API does not store responses",
        "prediction": "the Completions API has no predicted output",
        "moderation": "the Completions API has no moderation",
        **STATE,
        **dict.fromkeys(
            within("output", "kind schema name description strict modalities audio verbosity"),
            "the Completions API has no structured output",
        ),
        **dict.fromkeys(
            within("cache", "key mode ttl retention mark"),
            "the Completions API has no prompt cache settings",
        ),
    },
)
"""The encoder of each field of `ir.Request`, and the fields that this dialect loses, with reasons."""
