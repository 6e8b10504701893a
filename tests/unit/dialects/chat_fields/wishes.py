"""Everything a request says beside its messages and tools."""

from __future__ import annotations

from typing import Any

from dragoman.dialects.facts import Facts
from tests.unit.dialects.chat_fields.row import (
    NOTHING,
    SAME,
    Outcome,
    Row,
    emulated,
    lost,
    mistake,
    nothing,
    refused,
    row,
    to,
)

HINT, QUALITY, MEANING = lost("hint"), lost("quality"), lost("meaning")
DONE = nothing("the gateway does it")
STREAM = {"stream": True}


def _config(member: str, value: Any) -> Outcome:
    return to({f"generationConfig.{member}": value})


def _draw(member: str, value: Any) -> Outcome:
    return to({f"draw.{member}": value})


def _everywhere(field: str, says: dict[str, Any], outcome: Outcome, **more: Any) -> Row:
    """A row for a wish that OpenAI's protocol alone has."""
    return row(field, says, outcome, outcome, outcome, outcome, **more)


CORE = (
    row(
        "model",
        {"model": "other"},
        to({"model": "other"}),
        to({"@path": "/models/other:generateContent"}),
        SAME,
        nothing("chooses the model's file"),
        nothing("says how to behave"),
    ),
    mistake("model", {"model": 7}, "a number", "invalid_type", "model"),
    row(
        "stream",
        STREAM,
        to({"stream": True}),
        to({"@path": "/models/m:streamGenerateContent?alt=sse"}),
        SAME,
        DONE,
        DONE,
        label="true",
    ),
    _everywhere("stream", {"stream": False}, NOTHING, label="false"),
    _everywhere(
        "stream_options.include_usage",
        {"stream_options": {"include_usage": True}},
        nothing("usage is always returned"),
        given=STREAM,
    ),
    _everywhere(
        "stream_options.include_obfuscation",
        {"stream_options": {"include_obfuscation": True}},
        HINT,
        given=STREAM,
    ),
    mistake(
        "stream_options",
        {"stream_options": {"include_usage": True}},
        "without `stream`",
        None,
        "stream_options",
    ),
    _everywhere("store", {"store": True}, HINT, label="true"),
    _everywhere("store", {"store": False}, NOTHING, label="false"),
    row("metadata", {"metadata": {"team": "blue"}}, HINT, HINT, SAME, HINT),
    mistake(
        "metadata",
        {"metadata": {f"k{i}": "v" for i in range(17)}},
        "more than 16 pairs",
        "object_above_max_properties",
        "metadata",
    ),
    row("user", {"user": "u-1"}, to({"metadata": {"user_id": "u-1"}}), HINT, HINT, HINT),
    row(
        "safety_identifier",
        {"safety_identifier": "s-1"},
        emulated("as the end user's id", {"metadata": {"user_id": "s-1"}}),
        HINT,
        HINT,
        HINT,
    ),
    row(
        "safety_identifier",
        {"safety_identifier": "s-1"},
        HINT,
        HINT,
        HINT,
        HINT,
        label="beside `user`",
        given={"user": "u-1"},
    ),
    row("prompt_cache_key", {"prompt_cache_key": "k"}, HINT, HINT, SAME, HINT),
    *(
        _everywhere("prompt_cache_retention", {"prompt_cache_retention": word}, HINT, label=f"`{word}`")
        for word in ("in_memory", "24h")
    ),
    *(
        _everywhere(
            "prompt_cache_options.mode", {"prompt_cache_options": {"mode": word}}, HINT, label=f"`{word}`"
        )
        for word in ("implicit", "explicit")
    ),
    _everywhere("prompt_cache_options.ttl", {"prompt_cache_options": {"ttl": "30m"}}, HINT),
    _everywhere("unheard_of", {"unheard_of": 1}, HINT, label="any member that nobody knows"),
)

_TIERS: dict[str, tuple[Outcome, Outcome, Outcome]] = {
    "auto": (to({"service_tier": "auto"}), NOTHING, SAME),
    "default": (
        to({"service_tier": "standard_only"}),
        to({"serviceTier": "standard"}),
        to({"service_tier": "standard_only"}),
    ),
    "flex": (HINT, to({"serviceTier": "flex"}), HINT),
    "scale": (HINT, HINT, HINT),
    "priority": (
        emulated("as auto", {"service_tier": "auto"}),
        to({"serviceTier": "priority"}),
        emulated("as auto", {"service_tier": "auto"}),
    ),
    "fast": (
        emulated("as auto", {"service_tier": "auto"}),
        emulated("as priority", {"serviceTier": "priority"}),
        emulated("as auto", {"service_tier": "auto"}),
    ),
}

TIERS = tuple(
    row("service_tier", {"service_tier": word}, *outcomes, HINT, label=f"`{word}`")
    for word, outcomes in _TIERS.items()
)

SAMPLING = (
    row(
        "temperature",
        {"temperature": 0.5},
        to({"temperature": 0.5}),
        _config("temperature", 0.5),
        SAME,
        _draw("temperature", 0.5),
    ),
    row(
        "temperature",
        {"temperature": 1.5},
        lost("quality", note="1 is the highest", writes={"temperature": 1.0}),
        _config("temperature", 1.5),
        SAME,
        _draw("temperature", 1.5),
        label="above 1",
    ),
    mistake("temperature", {"temperature": 2.5}, "above 2", "decimal_above_max_value", "temperature"),
    row("top_p", {"top_p": 0.5}, to({"top_p": 0.5}), _config("topP", 0.5), SAME, _draw("top_p", 0.5)),
    mistake("top_p", {"top_p": -1}, "below 0", "decimal_below_min_value", "top_p"),
    row(
        "frequency_penalty",
        {"frequency_penalty": 0.5},
        QUALITY,
        _config("frequencyPenalty", 0.5),
        SAME,
        _draw("frequency", 0.5),
    ),
    row(
        "frequency_penalty",
        {"frequency_penalty": 0},
        nothing("0 is none"),
        _config("frequencyPenalty", 0),
        SAME,
        nothing("0 is none"),
        label="0",
    ),
    row(
        "presence_penalty",
        {"presence_penalty": 0.5},
        QUALITY,
        _config("presencePenalty", 0.5),
        SAME,
        _draw("presence", 0.5),
    ),
    row(
        "seed",
        {"seed": 7},
        HINT,
        _config("seed", 7),
        to({"random_seed": 7}),
        _draw("seed", 7),
        to({"candidates[0].blocks[0].text": ...}, "draws other words"),
    ),
    row(
        "stop",
        {"stop": "weather"},
        to({"stop_sequences": ["weather"]}),
        _config("stopSequences", ["weather"]),
        to({"stop": ["weather"]}),
        to({"stop": ["weather"]}),
        to({"candidates[0].stop.sequence": "weather"}, model="echo"),
        label="a string",
    ),
    row(
        "stop",
        {"stop": ["weather", "Oslo"]},
        to({"stop_sequences": ["weather", "Oslo"]}),
        _config("stopSequences", ["weather", "Oslo"]),
        SAME,
        to({"stop": ["weather", "Oslo"]}),
        to({"candidates[0].stop.sequence": "weather"}, model="echo"),
        label="a list",
    ),
    row(
        "stop",
        {"stop": ["\n", "END"]},
        lost("meaning", writes={"stop_sequences": ["END"]}),
        _config("stopSequences", ["\n", "END"]),
        SAME,
        to({"stop": ["\n", "END"]}),
        label="white space",
    ),
    row(
        "n",
        {"n": 2},
        refused("unsupported_value", "n"),
        _config("candidateCount", 2),
        SAME,
        nothing("written one after the other"),
        to({"candidates[1].stop.reason": "end"}),
        label="2",
    ),
    mistake("n", {"n": 0}, "0", "integer_below_min_value", "n"),
    row(
        "logprobs",
        {"logprobs": True},
        MEANING,
        _config("responseLogprobs", True),
        SAME,
        _draw("top_logprobs", 0),
        to({"candidates[0].blocks[0].logprobs[0].logprob": -0.1}),
        label="true",
    ),
    row("logprobs", {"logprobs": False}, NOTHING, NOTHING, SAME, NOTHING, label="false"),
    row(
        "top_logprobs",
        {"top_logprobs": 3},
        MEANING,
        _config("logprobs", 3),
        SAME,
        _draw("top_logprobs", 3),
        to({"candidates[0].blocks[0].logprobs[0].top[2].logprob": -4.0}),
        given={"logprobs": True},
        label="beside `logprobs`",
    ),
    mistake("top_logprobs", {"top_logprobs": 21}, "above 20", "integer_above_max_value", "top_logprobs"),
    row(
        "logit_bias",
        {"logit_bias": {"50256": -100}},
        MEANING,
        MEANING,
        MEANING,
        _draw("bias", [[50256, -100.0]]),
    ),
    _everywhere("logit_bias", {"logit_bias": {}}, NOTHING, label="{}"),
    mistake("logit_bias", {"logit_bias": {"5": 101}}, "above 100", "decimal_above_max_value", "logit_bias.5"),
    *(
        row(
            member,
            {member: 5},
            to({"max_tokens": 5}),
            _config("maxOutputTokens", 5),
            to({"max_tokens": 5}),
            to({"limit": 5}),
            to({"candidates[0].stop.reason": "length"}),
        )
        for member in ("max_completion_tokens", "max_tokens")
    ),
    mistake(
        "max_tokens",
        {"max_tokens": 5, "max_completion_tokens": 5},
        "beside `max_completion_tokens`",
        "invalid_parameter_combination",
        "max_tokens",
    ),
    row("top_k", {"top_k": 40}, to({"top_k": 40}), _config("topK", 40), SAME, _draw("top_k", 40)),
    row("min_p", {"min_p": 0.2}, QUALITY, QUALITY, QUALITY, _draw("min_p", 0.2)),
    row("repetition_penalty", {"repetition_penalty": 1.2}, QUALITY, QUALITY, SAME, _draw("repetition", 1.2)),
    *(
        row(
            member,
            {member: value},
            QUALITY,
            QUALITY,
            QUALITY,
            _draw(member, value),
            chat=QUALITY,
            label="a model that takes no sampling",
            facts=Facts(sampling=False),
        )
        for member, value in (("temperature", 0.5), ("top_p", 0.5), ("top_k", 30))
    ),
)
