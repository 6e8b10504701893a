"""Who is asked when the deployments of a route cannot answer, as transcripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dragoman import ir
from dragoman.accounts.grants import Grants
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.routing.attempts import Policy
from tests.unit.engine.stage import CLAUDE, ONE, Reply, Stage, chat, refusal, stream, streamed, whole

ASK_1 = "ask one with key-1: /v1/chat/completions"
ASK_2 = "ask two with key-1: /v1/chat/completions"
ASK_3 = "ask three with key-1: /v1/chat/completions"
ASK_CLAUDE = "ask claude with key-c: /v1/messages"
HELLO = 'answer 200 "Hello." usage 3+2'
THREE: dict[str, Any] = {
    "one": ONE,
    "two": {**ONE, "base_url": "https://two.example/v1"},
    "three": {**ONE, "base_url": "https://three.example/v1"},
}
ONCE = Policy(retries=0, jitter=0.0)
TOO_LONG = "This model's maximum context length is 9 tokens."
FILTERED = {"error": {"message": "Not this.", "type": "invalid_request_error", "code": "content_filter"}}


def filtered() -> Reply:
    return Reply(400, {"content-type": "application/json"}, [json.dumps(FILTERED).encode()])


def too_long() -> Reply:
    return refusal(400, TOO_LONG)


def model(fallbacks: Any, **more: Any) -> dict[str, Any]:
    return {"models": {"m": {"use": "one/gpt", "fallbacks": fallbacks, **more}}}


def staged(settings: Mapping[str, Any], policy: Policy = ONCE, **replies: Any) -> Stage:
    """Three providers; without a script of its own, each says hello."""
    stage = Stage(THREE, settings=settings, policy=policy)
    for name in THREE:
        stage.script(name, *replies.get(name, [whole("Hello.")]))
    return stage


# After a failure -----------------------------------------------------------------------------------------


def test_the_fallbacks_follow_the_deployments_in_their_order() -> None:
    stage = staged(model(["two/big", "three/small"]), one=[refusal(503)], two=[refusal(500)])
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_2, ASK_3, HELLO, "= done"]
    assert [body["model"] for body in stage.bodies] == ["gpt", "big", "small"]
    assert json.loads(stage.client.body)["model"] == "m"
    assert stage.client.headers["x-dragoman-deployment"] == "three/small"


def test_a_trace_knows_the_candidates_of_a_fallback_too() -> None:
    pool = {"deployments": ["two/x", "one/gpt", "three/x"]}
    models = {"m": {"use": "one/gpt", "fallbacks": ["pool"]}, "pool": pool}
    stage = staged({"models": models}, one=[refusal(503)])
    stage.health.enable("three", enabled=False)
    assert stage.plays(chat(model="m"))[-1] == "= done"
    assert [(one.deployment, one.state) for one in stage.exchange.weighed] == [
        ("one/gpt", "ready"),
        ("two/x", "ready"),
        ("three/x", "disabled"),
    ]


def test_if_the_fallbacks_fail_too_the_last_error_is_told() -> None:
    stage = staged(model("two/big"), one=[refusal(503)], two=[refusal(500, "Me too.")])
    assert stage.plays(chat(model="m"))[:3] == [ASK_1, ASK_2, "answer 502 upstream_error: Me too."]


def test_a_fallback_brings_its_own_protocol_and_settings() -> None:
    settings = {
        "models": {
            "m": {"use": "one/gpt", "fallbacks": ["other"]},
            "other": {"use": "claude/opus", "body": {"top_k": 3}, "headers": {"x-team": "a"}},
        }
    }
    stage = Stage({"one": ONE, "claude": CLAUDE}, settings=settings, policy=ONCE)
    stage.script("one", refusal(503))
    stage.script("claude", whole("Hello.", dialect="anthropic"))
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_CLAUDE, HELLO, "= done"]
    assert (stage.bodies[1]["top_k"], stage.headers[1]["x-team"]) == (3, "a")
    assert json.loads(stage.client.body)["model"] == "m"


def test_a_deployment_that_was_asked_is_not_asked_again() -> None:
    settings = {
        "models": {
            "m": {"deployments": ["one/gpt", "two/gpt"], "fallbacks": ["n"]},
            "n": {"deployments": ["two/gpt", "one/gpt", "three/gpt"]},
        }
    }
    stage = staged(settings, one=[refusal(503)], two=[refusal(503)])
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_2, ASK_3, HELLO, "= done"]


def test_two_models_may_stand_in_for_each_other() -> None:
    settings = {
        "models": {
            "m": {"use": "one/gpt", "fallbacks": ["n"]},
            "n": {"use": "two/gpt", "fallbacks": ["m"]},
        }
    }
    stage = staged(settings, one=[refusal(503), refusal(503)], two=[refusal(503), whole("Hello.")])
    assert stage.plays(chat(model="m"))[:2] == [ASK_1, ASK_2]
    assert stage.exchange.fault is not None
    assert stage.plays(chat(model="n"))[0] == ASK_2


def test_an_alias_has_the_models_fallbacks_or_its_own() -> None:
    aliases = {
        "same": "m",
        "other": {"route": "m", "fallbacks": "three/x"},
        "none": {"route": "m", "fallbacks": {}},
    }
    settings = {**model("two/x"), "aliases": aliases}
    for name, asked in (("same", [ASK_1, ASK_2]), ("other", [ASK_1, ASK_3]), ("none", [ASK_1])):
        stage = staged(settings, one=[refusal(503)])
        lines = stage.plays(chat(model=name))
        assert [line for line in lines if line.startswith("ask")] == asked
        if len(asked) > 1:
            assert json.loads(stage.client.body)["model"] == name


def test_every_other_name_may_have_fallbacks() -> None:
    settings = {"aliases": {"*": {"route": "one/gpt", "fallbacks": "two/x"}}}
    stage = staged(settings, one=[refusal(503)])
    assert stage.plays(chat(model="whatever"))[:2] == [ASK_1, ASK_2]
    assert json.loads(stage.client.body)["model"] == "whatever"


def test_a_stream_turns_to_a_fallback_until_its_first_content() -> None:
    stage = staged(model("two/x"), one=[stream(*streamed()[:1])], two=[stream(*streamed("Hello."))])
    lines = stage.plays(chat(model="m", stream=True))
    assert lines[:4] == [ASK_1, ASK_2, "begin 200", 'write start "Hello."']
    broken = staged(
        model("two/x"), one=[stream(*streamed("He", "llo")[:2], RequestFailed(ir.Fault("upstream", "x")))]
    )
    assert ASK_2 not in broken.plays(chat(model="m", stream=True))


# After a refusal -----------------------------------------------------------------------------------------

CAUSES = pytest.mark.parametrize(("cause", "refused"), [("context", too_long), ("content", filtered)])


@CAUSES
def test_a_refusal_goes_on_with_its_own_list(cause: str, refused: Any) -> None:
    stage = staged(model({"any": "two/x", cause: "three/x"}), one=[refused()])
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_3, HELLO, "= done"]


@CAUSES
def test_without_such_a_list_a_refusal_is_told(cause: str, refused: Any) -> None:
    stage = staged(model(["two/x"]), one=[refused()])
    lines = stage.plays(chat(model="m"))
    assert [line[:10] for line in lines] == [ASK_1[:10], "answer 400", lines[2][:10]]


@CAUSES
def test_the_first_refusal_is_told_if_its_list_fails(cause: str, refused: Any) -> None:
    stage = staged(
        model({cause: ["two/x", "three/x"]}), one=[refused()], two=[refused()], three=[refusal(503)]
    )
    lines = stage.plays(chat(model="m"))
    assert lines[:3] == [ASK_1, ASK_2, ASK_3]
    assert lines[3].endswith(TOO_LONG if cause == "context" else "Not this.")
    assert lines[3].startswith("answer 400")


def test_a_prompt_that_is_known_to_be_too_long_goes_to_the_list_at_once() -> None:
    settings = model({"any": "two/x", "context": "three/x"}, context_window=5)
    stage = staged(settings)
    assert stage.plays(chat("word " * 50, model="m")) == [ASK_3, HELLO, "= done"]
    alone = staged(model("two/x", context_window=5))
    assert alone.plays(chat("word " * 50, model="m"))[0].startswith("answer 400 context_length_exceeded")


def test_the_window_of_a_fallback_counts_too() -> None:
    settings = model({"context": ["small", "three/x"]}, context_window=5)
    settings["models"]["small"] = {"use": "two/x", "context_window": 9}
    stage = staged(settings, three=[refusal(503)])
    lines = stage.plays(chat("word " * 50, model="m"))
    assert lines[:2] == [ASK_3, lines[1]]
    assert lines[1].startswith("answer 400 context_length_exceeded: This model's maximum context length is 5")


# What is needed ------------------------------------------------------------------------------------------

PICTURE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
SEES = [{"role": "user", "content": PICTURE}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def test_a_fallback_is_asked_for_what_the_model_cannot_do() -> None:
    stage = staged(model("two/x", supports={"images": False}))
    assert stage.plays(chat(model="m", messages=SEES)) == [ASK_2, HELLO, "= done"]
    assert stage.plays(chat(model="m"))[0] == ASK_1


def test_a_fallback_that_cannot_do_it_either_is_passed_over() -> None:
    settings = model(["blind", "three/x"])
    settings["models"]["blind"] = {"use": "two/x", "supports": {"images": False}}
    stage = staged(settings, one=[refusal(503)])
    assert stage.plays(chat(model="m", messages=SEES)) == [ASK_1, ASK_3, HELLO, "= done"]


@pytest.mark.parametrize(
    ("lacks", "asked"),
    [
        ("images", {"messages": SEES}),
        ("tools", {"tools": [TOOL]}),
        (
            "audio",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
                        ],
                    }
                ]
            },
        ),
        (
            "documents",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}}
                        ],
                    }
                ]
            },
        ),
    ],
)
def test_of_a_mixed_pool_only_those_are_asked_that_can_do_it(lacks: str, asked: dict[str, Any]) -> None:
    """1.14: each deployment states what it supports."""
    pool = [{"use": "one/x", "supports": {lacks: False}}, "two/x"]
    settings = {"models": {"m": {"deployments": pool}}}
    stage = staged(settings, two=[refusal(503), whole("Hello.")])
    assert stage.plays(chat(**{"model": "m", **asked}))[0] == ASK_2
    assert ASK_1 not in stage.lines
    assert stage.plays(chat(model="m"))[0] == ASK_1


# What is remembered --------------------------------------------------------------------------------------


def test_a_route_that_keeps_failing_gives_way_to_its_fallbacks_at_once() -> None:
    stage = staged(model("two/x"), one=[refusal(503)] * 3, two=[whole("Hello.")] * 4)
    for _ in range(3):
        assert stage.plays(chat(model="m"))[:2] == [ASK_1, ASK_2]
    assert stage.plays(chat(model="m")) == [ASK_2, HELLO, "= done"]


def test_a_refused_key_gives_way_to_the_fallbacks() -> None:
    stage = staged(model("two/x"), one=[refusal(401)], two=[whole("Hello.")] * 2)
    assert stage.plays(chat(model="m"))[:2] == [ASK_1, ASK_2]
    assert stage.plays(chat(model="m")) == [ASK_2, HELLO, "= done"]


def test_a_resting_key_gives_way_to_the_fallbacks() -> None:
    stage = staged(model("two/x"), one=[refusal(429, **{"retry-after": "5"})], two=[whole("Hello.")] * 2)
    assert stage.plays(chat(model="m"))[:2] == [ASK_1, ASK_2]
    assert stage.plays(chat(model="m")) == [ASK_2, HELLO, "= done"]


def test_where_the_fallbacks_fail_too_who_failed_before_is_asked() -> None:
    stage = staged(
        model("two/x"),
        one=[*[refusal(503)] * 3, whole("I am back.")],
        two=[*[whole("Hello.")] * 3, refusal(500)],
    )
    for _ in range(3):
        stage.plays(chat(model="m"))
    assert stage.plays(chat(model="m"))[:3] == [ASK_2, ASK_1, 'answer 200 "I am back." usage 3+2']


# Other models of a request -------------------------------------------------------------------------------


def test_a_request_may_name_other_models() -> None:
    stage = staged({}, one=[refusal(503)])
    lines = stage.plays(chat(model="one/a", models=["one/a", "two/b", "two/b"]))
    assert lines == [ASK_1, ASK_2, HELLO, "= done"]
    assert all("models" not in body for body in stage.bodies)
    assert json.loads(stage.client.body)["model"] != "one/a"


def test_the_first_of_the_models_is_the_one_that_is_meant_if_there_is_no_other() -> None:
    body = json.loads(chat(models=["one/a", "two/b"]))
    del body["model"]
    stage = staged({}, one=[refusal(429)])
    assert stage.plays(json.dumps(body).encode())[:2] == [ASK_1, ASK_2]
    assert stage.exchange.asked == "one/a"


def test_the_answer_shows_who_of_them_answered() -> None:
    settings = {"models": {"first": {"use": "one/a"}, "second": {"use": "two/b"}}}
    stage = staged(settings, one=[refusal(503)])
    stage.plays(chat(model="first", models=["second"]))
    assert json.loads(stage.client.body)["model"] == "second"


@CAUSES
def test_they_follow_a_refusal_as_well(cause: str, refused: Any) -> None:
    stage = staged({}, one=[refused()], two=[refused()])
    assert stage.plays(chat(model="one/a", models=["two/b", "three/c"])) == [
        ASK_1,
        ASK_2,
        ASK_3,
        HELLO,
        "= done",
    ]


def test_they_stand_in_place_of_configured_fallbacks() -> None:
    stage = staged(model("two/x"), one=[refusal(503)], three=[refusal(503)])
    lines = stage.plays(chat(model="m", models=["three/c"]))
    assert lines[:2] == [ASK_1, ASK_3]
    assert ASK_2 not in lines


def test_fallbacks_in_the_words_of_litellm() -> None:
    stage = staged({}, one=[refusal(503)])
    assert stage.plays(chat(model="one/a", fallbacks=["two/b"]))[:2] == [ASK_1, ASK_2]
    assert "fallbacks" not in stage.bodies[1]


@pytest.mark.parametrize(
    ("members", "granted", "told"),
    [
        ({"models": ["one/a", "nobody/b"]}, None, ("404 model_not_found", "models[1]")),
        ({"models": ["one/a", "two/b"]}, ("one/*",), ("403 model_not_granted", "models[1]")),
        ({"models": ["one/a", "nobody/b"]}, ("one/*",), ("403 model_not_granted", "models[1]")),
        ({"fallbacks": ["nobody/b"]}, None, ("404 model_not_found", "fallbacks[0]")),
        ({"models": "two/b"}, None, ("400 invalid_type", "models")),
        ({"models": ["two/b", 7]}, None, ("400 invalid_type", "models[1]")),
        ({"models": [""]}, None, ("400 invalid_value", "models[0]")),
        ({"models": ["two/b"] * 9}, None, ("400 array_above_max_length", "models")),
    ],
)
def test_a_wrong_name_is_told_before_anybody_is_asked(
    members: dict[str, Any], granted: Any, told: tuple[str, str]
) -> None:
    stage = staged({})
    lines = stage.plays(chat(model="one/a", **members), models=None if granted is None else Grants(granted))
    assert lines[0].startswith(f"answer {told[0]}: ")
    assert json.loads(stage.client.body)["error"]["param"] == told[1]
    assert stage.sent == []


def test_no_other_models_are_none() -> None:
    nobodies: tuple[Any, ...] = (None, [])
    for nobody in nobodies:
        stage = staged({})
        assert stage.plays(chat(model="one/a", models=nobody)) == [ASK_1, HELLO, "= done"]
        assert "models" not in stage.bodies[0]


# A hook that says who is asked ---------------------------------------------------------------------------


class ByTenant:
    def __init__(self, told: Any) -> None:
        self.told = told
        self.asked: list[tuple[str | None, str | None]] = []

    async def resolve(self, exchange: Exchange, name: str | None) -> Any:
        self.asked.append((exchange.client, name))
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def resolved(told: Any, body: bytes, **inbound: Any) -> tuple[Stage, ByTenant]:
    hook = ByTenant(told)
    stage = Stage(THREE, hooks=[hook], policy=ONCE)
    stage.script("one", refusal(503))
    stage.script("two", whole("Hello."))
    stage.script("three", whole("Hello."))
    stage.plays(body, **inbound)
    return stage, hook


def test_a_hook_says_which_model_is_asked() -> None:
    stage, hook = resolved("two/b", chat(model="fast"))
    assert stage.lines == [ASK_2, HELLO, "= done"]
    assert hook.asked == [("team", "fast")]
    assert (stage.exchange.asked, json.loads(stage.client.body)["model"]) == ("fast", "fast")


def test_a_hook_may_name_several() -> None:
    stage, _ = resolved(["one/a", "three/c"], chat(model="fast"))
    assert stage.lines == [ASK_1, ASK_3, HELLO, "= done"]
    assert json.loads(stage.client.body)["model"] == "fast"


def test_a_hook_that_says_nothing_leaves_it_to_the_configuration() -> None:
    stage, _ = resolved(None, chat(model="two/b"))
    assert stage.lines == [ASK_2, HELLO, "= done"]


def test_a_grant_is_for_the_name_of_the_client() -> None:
    stage, _ = resolved("two/b", chat(model="fast"), models=Grants(("fast",)))
    assert stage.lines[0] == ASK_2
    stage, _ = resolved("two/b", chat(model="slow"), models=Grants(("fast", "two/b")))
    assert stage.lines[0].startswith("answer 403 model_not_granted")


@pytest.mark.parametrize("told", ["nobody/x", ["two/b", "nobody/x"], [], [1], 7, ValueError("boom")])
def test_a_hook_that_is_wrong_is_our_own_failure(told: Any, caplog: pytest.LogCaptureFixture) -> None:
    stage, _ = resolved(told, chat(model="fast"))
    assert stage.lines[0].startswith("answer 500 internal_error")
    assert "resolve" in caplog.text
    assert stage.sent == []


def test_a_hook_may_refuse_a_name() -> None:
    refused = RequestFailed(ir.Fault("permission", "Not on Sundays.", code="sunday"))
    stage, _ = resolved(refused, chat(model="fast"))
    assert stage.lines[0] == "answer 403 sunday: Not on Sundays."


# Names by pattern ----------------------------------------------------------------------------------------


def test_a_name_by_pattern_has_fallbacks_too() -> None:
    settings = {"models": {"gpt-*": {"deployments": ["one/*", "two/my-*"], "fallbacks": "three/x"}}}
    stage = staged(settings, one=[refusal(503)], two=[refusal(503)])
    assert stage.plays(chat(model="gpt-5")) == [ASK_1, ASK_2, ASK_3, HELLO, "= done"]
    assert [body["model"] for body in stage.bodies] == ["gpt-5", "my-5", "x"]
    assert json.loads(stage.client.body)["model"] == "gpt-5"


# Time ----------------------------------------------------------------------------------------------------

SILENT = Reply(connect=[600.0])
POOL: dict[str, Any] = {"models": {"m": {"deployments": ["one/x", "two/x"]}}}


def test_a_silent_deployment_is_left_while_there_is_another() -> None:
    settings = {"models": {"m": {"deployments": ["one/x", "two/x"], "switch_after": "3s"}}}
    stage = staged(settings, one=[SILENT])
    assert stage.plays(chat(model="m")) == [ASK_1, "3 s later", "break off one", ASK_2, HELLO, "= done"]
    assert stage.attempts[0] == "one/x relay switch_timeout"


def test_the_last_one_is_given_its_time() -> None:
    settings = {"models": {"m": {"deployments": ["one/x", "two/x"], "switch_after": "3s"}}}
    stage = staged(
        settings,
        one=[SILENT],
        two=[Reply(200, {"content-type": "application/json"}, [30.0, *whole("Hello.").pieces])],
    )
    assert stage.plays(chat(model="m"))[-3:] == ["30 s later", HELLO, "= done"]
    alone = staged(
        {"models": {"m": {"use": "one/x", "switch_after": "3s"}}},
        one=[Reply(200, {"content-type": "application/json"}, [30.0, *whole("Hello.").pieces])],
    )
    assert alone.plays(chat(model="m")) == [ASK_1, "30 s later", HELLO, "= done"]


def test_the_last_one_of_the_last_fallback_is_given_its_time() -> None:
    slow = Reply(200, {"content-type": "application/json"}, [30.0, *whole("Hello.").pieces])
    settings = {
        "models": {
            "m": {"use": "one/x", "switch_after": "3s", "fallbacks": "n"},
            "n": {"deployments": ["two/x", "three/x"], "switch_after": "4s"},
        }
    }
    stage = staged(settings, one=[SILENT], two=[SILENT], three=[slow])
    lines = stage.plays(chat(model="m"))
    assert [line for line in lines if line.endswith("later")] == ["3 s later", "4 s later", "30 s later"]
    assert lines[-1] == "= done"


def test_who_is_known_to_fail_is_nobody_to_switch_to() -> None:
    slow = Reply(200, {"content-type": "application/json"}, [30.0, *whole("Hello.").pieces])
    settings = {"models": {"m": {"deployments": ["one/x", "two/x"], "switch_after": "3s"}, "t": "two/x"}}
    stage = staged(settings, one=[slow], two=[refusal(503)] * 3)
    for _ in range(3):
        stage.plays(chat(model="t"))
    assert "30 s later" in stage.plays(chat(model="m"))


def test_a_fallback_is_somebody_else_to_ask() -> None:
    stage = staged(model("two/x", switch_after="3s"), one=[SILENT])
    assert stage.plays(chat(model="m"))[:4] == [ASK_1, "3 s later", "break off one", ASK_2]


def test_another_key_of_the_same_deployment_is_not() -> None:
    two = {**ONE, "keys": ["key-1", "key-2"]}
    settings = {"models": {"m": {"use": "one/x", "switch_after": "3s"}}}
    stage = Stage({"one": two}, settings=settings, policy=ONCE)
    stage.script("one", Reply(200, {"content-type": "application/json"}, [30.0, *whole("Hello.").pieces]))
    assert stage.plays(chat(model="m")) == [ASK_1, "30 s later", HELLO, "= done"]


def test_a_stream_that_says_nothing_is_left_after_a_minute() -> None:
    silent = stream(*streamed()[:1], 600.0)
    stage = staged(POOL, one=[silent], two=[stream(*streamed("Hello."))])
    lines = stage.plays(chat(model="m", stream=True))
    assert lines[:5] == [ASK_1, "60 s later", "break off one", ASK_2, "begin 200"]


def test_a_whole_answer_is_waited_for() -> None:
    slow = Reply(200, {"content-type": "application/json"}, [300.0, *whole("Hello.").pieces])
    stage = staged(POOL, one=[slow])
    assert stage.plays(chat(model="m")) == [ASK_1, "300 s later", HELLO, "= done"]


def test_after_its_first_content_a_stream_may_take_its_time() -> None:
    settings = {"models": {"m": {"deployments": ["one/x", "two/x"], "switch_after": "3s"}}}
    first, *rest = streamed("He", "llo.")
    stage = staged(settings, one=[stream(first, rest[0], 60.0, *rest[1:])])
    assert "60 s later" in stage.plays(chat(model="m", stream=True))
    assert stage.lines[-1] == "= done"


def test_no_attempt_outlasts_the_time_for_all() -> None:
    policy = Policy(retries=5, backoff=1.0, jitter=0.0, seconds=10.0)
    stage = staged(POOL, policy, one=[refusal(503)], two=[SILENT])
    assert stage.plays(chat(model="m")) == [
        ASK_1,
        ASK_2,
        "10 s later",
        "break off two",
        "answer 504 attempts_timeout: The time for all attempts was over before two/x sent any content.",
        "= upstream/first_byte/attempts_timeout",
    ]


@pytest.mark.parametrize(("seconds", "failures"), [(10.0, 0), (400.0, 1)])
def test_an_attempt_without_its_own_time_does_not_speak_against_its_deployment(
    seconds: float, failures: int
) -> None:
    """Its own time is ten minutes, of which it had less than half, or more."""
    stage = staged({"models": {"m": "one/x"}}, Policy(retries=0, seconds=seconds), one=[SILENT])
    assert stage.plays(chat(model="m"))[-1] == "= upstream/first_byte/attempts_timeout"
    assert [state.failed for state in stage.health.breakers.states.values()] == [1] * failures


def test_content_that_has_come_in_time_is_not_cut_off() -> None:
    policy = Policy(retries=0, seconds=10.0)
    first, *rest = streamed("He", "llo.")
    stage = staged(POOL, policy, one=[stream(first, rest[0], 60.0, *rest[1:])])
    assert stage.plays(chat(model="m", stream=True))[-1] == "= done"


def test_the_number_of_attempts_is_bounded() -> None:
    policy = Policy(retries=5, attempts=2)
    stage = staged(model(["two/x", "three/x"]), policy, one=[refusal(503)], two=[refusal(503, "Busy.")])
    assert stage.plays(chat(model="m"))[:3] == [ASK_1, ASK_2, "answer 503 server_is_overloaded: Busy."]


# Counting ------------------------------------------------------------------------------------------------


def test_a_count_never_turns_to_another_model() -> None:
    counts = {**CLAUDE, "quirks": {"counts": True}}
    providers = {"claude": counts, "other": {**counts, "base_url": "https://other.example"}}
    settings = {"models": {"m": {"use": "claude/opus", "fallbacks": "other/opus"}}}
    stage = Stage(providers, settings=settings)
    stage.script("claude", refusal(500, dialect="anthropic"))
    lines = stage.plays(chat(model="m", max_tokens=1), "anthropic", operation="count")
    assert [line for line in lines if line.startswith("ask")] == [
        "ask claude with key-c: /v1/messages/count_tokens"
    ]
