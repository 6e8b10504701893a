"""Which model answers, under which name, and who is asked next when it does not."""

from __future__ import annotations

import time
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider, Seen, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.calls import HELLO, MODELS
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.sent import Sent
from tests.e2e.stubs import Said

EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
STREAMS = pytest.mark.parametrize("stream", [False, True])


def name(dialect: str) -> str:
    """The upstream's own name of a model."""
    return MODELS[dialect].partition("/")[2]


# Names --------------------------------------------------------------------------------------------


@EVERY
@STREAMS
async def test_an_answer_shows_the_name_that_was_asked_for(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """1.5: also where the provider calls its model something else, in every chunk."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    site = await visit({**up(provider.url, dialect), "aliases": {"gpt-4-turbo": MODELS[dialect]}})
    answer = await site.ask("gpt-4-turbo", stream=stream)
    shown = {event["model"] for event in answer.events[:-1]} if stream else {answer.body["model"]}
    assert shown == {"gpt-4-turbo"}
    assert Sent(dialect, provider.last).model == name(dialect)
    assert answer.headers["x-dragoman-deployment"] == MODELS[dialect]


@EVERY
async def test_a_request_without_a_model_gets_the_default_one(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """1.3: config default_model; without it a 400 that says what is missing."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    site = await visit({**up(provider.url, dialect), "default_model": MODELS[dialect]})
    assert (await site.ask(None)).status == 200
    assert Sent(dialect, provider.last).model == name(dialect)
    plain = await visit(up(provider.url, dialect))
    answer = await plain.ask(None)
    assert (answer.status, answer.error["param"]) == (400, "model")


async def test_an_unknown_model_falls_to_the_catch_all_only_where_there_is_one(
    visit: Visit, provide: Provide
) -> None:
    """1.6, 2.17: with `*` it answers under the name asked for; without, 404 and nothing upstream."""
    provider = await provide(stubs.openai_chat(Said()))
    catching = await visit({**up(provider.url), "aliases": {"*": "up/gpt-4o"}})
    answer = await catching.ask("whatever-9")
    assert (answer.status, answer.body["model"]) == (200, "whatever-9")
    assert provider.last.body["model"] == "gpt-4o"
    provider.seen.clear()
    plain = await visit(up(provider.url))
    answer = await plain.ask("whatever-9")
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "model_not_found", "model")
    assert provider.seen == []


async def test_models_that_are_not_offered_are_404_before_any_call(visit: Visit, provide: Provide) -> None:
    """2.17: a provider with a list takes these names only; a provider that is off takes none."""
    provider = await provide(stubs.openai_chat(Said()))
    config = up(provider.url, models=["gpt-4o"])
    config["providers"]["off"] = {"base_url": provider.url, "keys": [], "enabled": False}
    site = await visit(config)
    for model in ("up/gpt-5", "off/gpt-4o", "gpt-5", "up/", "/", "gpt-4o "):
        answer = await site.ask(model)
        assert (answer.status, answer.error["code"]) == (404, "model_not_found"), model
    assert provider.seen == []
    assert (await site.ask("gpt-4o")).status == 200


@pytest.mark.parametrize("model", ["gpt-4o", "meta-llama/Llama-3.3-70B", "qwen3:8b", "ft:gpt-4o:acme::x1"])
async def test_what_follows_the_providers_name_goes_up_as_it_is(
    visit: Visit, provide: Provide, model: str
) -> None:
    """2.33: `provider/model`, slashes and colons included; the answer shows the provider's own name."""
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(up(provider.url))
    answer = await site.ask(f"up/{model}")
    assert provider.last.body["model"] == model
    assert answer.headers["x-dragoman-deployment"] == f"up/{model}"


@EVERY
@STREAMS
async def test_an_aliass_defaults_fill_only_what_is_absent(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """2.2, 2.3: temperature, stop, max_tokens; what the client says goes first."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    defaults = {"temperature": 0.1, "max_tokens": 77, "stop": ["END"]}
    alias = {"route": MODELS[dialect], "defaults": defaults}
    site = await visit({**up(provider.url, dialect), "aliases": {"fast": alias}})
    answer = await site.ask("fast", stream=stream)
    assert answer.text == "Hello there!"
    sent = Sent(dialect, provider.last)
    assert sent.setting("temperature") == 0.1
    assert sent.setting("limit") == 77
    assert sent.setting("stop") == ["END"]
    await site.ask("fast", stream=stream, temperature=0.9, max_tokens=5, stop="NOW")
    sent = Sent(dialect, provider.last)
    assert sent.setting("temperature") == 0.9
    assert sent.setting("limit") == 5
    assert sent.setting("stop") in ("NOW", ["NOW"])


async def test_an_aliass_seed_reaches_a_provider_that_knows_seeds(visit: Visit, provide: Provide) -> None:
    """2.3: and one that does not is named as a loss, not silently dropped."""
    openai_, anthropic = await provide(stubs.openai_chat(Said())), await provide(stubs.anthropic(Said()))
    config = up(openai_.url)
    config["providers"]["claude"] = {"dialect": "anthropic", "base_url": anthropic.url, "keys": ["k"]}
    config["aliases"] = {
        "seeded": {"route": "up/gpt-4o", "defaults": {"seed": 7}},
        "other": {"route": "claude/claude-sonnet-4-5", "defaults": {"seed": 7}},
    }
    site = await visit(config)
    await site.ask("seeded")
    assert openai_.last.body["seed"] == 7
    assert (await site.ask("other")).headers["x-dragoman-losses"] == "1"


@EVERY
async def test_an_aliass_prompt_goes_first_unless_there_is_one(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """2.3: a request that opens with a system message keeps its own."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    alias = {"route": MODELS[dialect], "system_prompt": "Speak like a pirate."}
    site = await visit({**up(provider.url, dialect), "aliases": {"pirate": alias}})
    await site.ask("pirate")
    assert Sent(dialect, provider.last).system == ["Speak like a pirate."]
    await site.ask("pirate", messages=[{"role": "system", "content": "Be formal."}, *HELLO])
    assert Sent(dialect, provider.last).system == ["Be formal."]


async def test_models_registered_in_code(provide: Provide) -> None:
    """4.18: the provider sees the rewritten name, the client the one it used; the list has it."""
    from dragoman.config.load import load

    provider = await provide(stubs.openai_chat(Said()))
    environment = {"OPENAI_API_KEY": "up-key", "OPENAI_BASE_URL": provider.url}
    gateway = Gateway(load(None, environment))
    gateway.register("gpt-4", "openai", rewrite="gpt-4-turbo")
    gateway.register("plain", "openai")
    async with serving(gateway) as base, AsyncOpenAI(base_url=f"{base}/v1", api_key="any") as client:
        answer = await client.chat.completions.create(
            model="gpt-4", messages=[{"role": "user", "content": "Hi"}]
        )
        assert answer.model == "gpt-4"
        assert provider.last.body["model"] == "gpt-4-turbo"
        await client.chat.completions.create(model="plain", messages=[{"role": "user", "content": "Hi"}])
        assert provider.last.body["model"] == "plain"
        assert {"gpt-4", "plain"} <= {model.id async for model in client.models.list()}
        with pytest.raises(RuntimeError):
            gateway.register("late", "openai")


async def test_an_upstream_of_ones_own_is_asked_by_its_name(visit: Visit) -> None:
    """4.18: twenty lines of somebody's code answer through the same face."""
    from contextlib import asynccontextmanager

    from dragoman import ir

    class Shout:
        name = "shout"

        @asynccontextmanager
        async def chat(self, request: ir.Request, call: Any) -> Any:
            async def answer() -> Any:
                yield [ir.Start("shout", model=request.model), ir.Open(0, ir.Text(""))]
                yield [ir.TextDelta(0, call.model.upper())]
                yield [ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()]

            yield answer()

    site = await visit({}, upstreams={"shout": Shout()})
    for stream in (False, True):
        answer = await site.ask("shout/hello", stream=stream)
        assert answer.text == "HELLO"


# Failing over -------------------------------------------------------------------------------------


class Pair:
    """Two providers behind one model, and their gateway."""

    def __init__(self, visit: Visit, provide: Provide, dialect: str) -> None:
        self._visit = visit
        self._provide = provide
        self._dialect = dialect
        self.first: FakeProvider
        self.second: FakeProvider

    async def ask(self, *answers: Any, **fields: Any) -> Any:
        """What the model says when its first target answers so."""
        self.first = await self._provide(*answers)
        self.second = await self._provide(stubs.DIALECTS[self._dialect](Said("From the second.")))
        model = name(self._dialect)
        site = await self._visit(
            {
                "providers": {
                    "a": {"dialect": self._dialect, "base_url": self.first.url, "keys": ["ka"]},
                    "b": {"dialect": self._dialect, "base_url": self.second.url, "keys": ["kb"]},
                },
                "models": {"pool": {"deployments": [f"a/{model}", f"b/{model}"]}},
                "retries": {"attempts": 1},
            }
        )
        return await site.ask("pool", **fields)


@pytest.fixture(params=list(stubs.DIALECTS))
def pair(visit: Visit, provide: Provide, request: pytest.FixtureRequest) -> Any:
    pair = Pair(visit, provide, request.param)

    async def ask(status: int, code: str, **fields: Any) -> Any:
        return await pair.ask(stubs.refusal(request.param, status, code, "No, for a reason."), **fields), pair

    return ask


@STREAMS
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "api_error"),
        (502, "api_error"),
        (503, "api_error"),
        (504, "api_error"),
        (529, "overloaded_error"),
        (408, "timeout"),
        (429, "rate_limit_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (402, "billing_error"),
    ],
)
async def test_what_is_not_the_clients_fault_goes_to_the_next_target(
    pair: Any, status: int, code: str, stream: bool
) -> None:
    """2.32: target 1 fails, target 2 answers; the headers say who and after how many attempts."""
    answer, both = await pair(status, code, stream=stream)
    assert answer.status == 200
    assert answer.text == "From the second."
    assert answer.headers["x-dragoman-deployment"].startswith("b/")
    assert answer.headers["x-dragoman-attempts"] == "2"
    assert (len(both.first.seen), len(both.second.seen)) == (1, 1)


@STREAMS
@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [
        (400, "invalid_request_error", 400),
        (422, "invalid_request_error", 400),
        (413, "request_too_large", 413),
    ],
)
async def test_what_is_the_clients_fault_is_told_at_once(
    pair: Any, status: int, code: str, shown: int, stream: bool
) -> None:
    """2.32, 2.23: target 1 says 400: 400, and target 2 is not asked."""
    answer, both = await pair(status, code, stream=stream)
    assert answer.status == shown
    assert answer.error["type"] == "invalid_request_error"
    assert "No, for a reason." in answer.error["message"]
    assert both.second.seen == []


async def test_a_provider_that_is_not_there_is_passed_over(visit: Visit, provide: Provide) -> None:
    """2.32: a refused connection is a failure like any other; alone it is a 503 that names it."""
    provider = await provide(stubs.openai_chat(Said()))
    gone = "http://127.0.0.1:9"
    config = up(provider.url)
    config["providers"]["gone"] = {"base_url": gone, "keys": []}
    config["models"] = {"pool": {"deployments": ["gone/m", "up/gpt-4o"]}}
    site = await visit(config)
    answer = await site.ask("pool")
    assert (answer.status, answer.headers["x-dragoman-attempts"]) == (200, "2")
    alone = await site.ask("gone/m")
    assert (alone.status, alone.error["code"]) == (503, "connect_failed")
    assert "127.0.0.1:9" not in alone.raw.decode()


async def test_targets_of_two_dialects_stand_in_for_each_other(visit: Visit, provide: Provide) -> None:
    """2.32: relayed to the first, translated to the second, within one request."""
    first = await provide(Whole({"error": {"message": "No."}}, 500))
    second = await provide(stubs.anthropic(Said("Translated.")))
    config = up(first.url)
    config["providers"]["claude"] = {"dialect": "anthropic", "base_url": second.url, "keys": ["k"]}
    config["models"] = {"pool": {"deployments": ["up/gpt-4o", "claude/claude-sonnet-4-5"]}}
    exchanges: list[Any] = []
    site = await visit(config, observers=[exchanges.append])
    answer = await site.ask("pool", logit_bias={"1": 1})
    assert answer.text == "Translated."
    assert answer.body["model"] == "pool"
    assert answer.headers["x-dragoman-losses"] == "1"
    assert [attempt.mode for attempt in exchanges[0].attempts] == ["relay", "translate"]
    assert exchanges[0].attempts[0].status == 500


async def test_losses_are_those_of_the_target_that_answered(visit: Visit, provide: Provide) -> None:
    """5.1, 2.32: what the failed translation could not carry, the relay did."""
    first = await provide(stubs.refusal("anthropic", 500, "api_error", "No."))
    second = await provide(stubs.openai_chat(Said("Relayed.")))
    config = up(second.url)
    config["providers"]["claude"] = {"dialect": "anthropic", "base_url": first.url, "keys": ["k"]}
    config["models"] = {"pool": {"deployments": ["claude/claude-sonnet-4-5", "up/gpt-4o"]}}
    site = await visit(config)
    answer = await site.ask("pool", logit_bias={"1": 1})
    assert answer.text == "Relayed."
    assert answer.headers["x-dragoman-losses"] == "0"


# Keys ---------------------------------------------------------------------------------------------


def by_key(dialect: str, refused: dict[str, int]) -> Any:
    """A provider that refuses these keys with these statuses and answers others."""

    def answer(seen: Seen) -> Any:
        key = Sent(dialect, seen).credential
        if key in refused:
            return stubs.refusal(dialect, refused[key], "rate_limit_error", "No, for a reason.")
        return stubs.DIALECTS[dialect](Said(f"Said with {key}."))(seen)  # type: ignore[operator]

    return answer


@EVERY
@STREAMS
@pytest.mark.parametrize("status", [401, 403, 429])
async def test_keys_are_tried_in_order(
    visit: Visit, provide: Provide, dialect: str, status: int, stream: bool
) -> None:
    """1.11: a refused or limited key is followed by the next within the same request."""
    provider = await provide(by_key(dialect, {"k1": status, "k2": status}))
    site = await visit(up(provider.url, dialect, keys=["k1", "k2", "k3"]))
    answer = await site.ask(MODELS[dialect], stream=stream)
    assert answer.text == "Said with k3."
    assert answer.headers["x-dragoman-attempts"] == "3"
    assert len(provider.seen) == 3


@EVERY
async def test_all_keys_limited_is_a_429_after_one_try_each(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """1.12: with Retry-After, the client's own exception class, and no endless loop."""
    limited = stubs.refusal(dialect, 429, "rate_limit_error", "Slow down.")
    provider = await provide(Whole(limited.body, 429, {"retry-after": "30"}))
    site = await visit({**up(provider.url, dialect, keys=["k1", "k2"]), "retries": {"attempts": 3}})
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key="any", max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(
                model=MODELS[dialect], messages=[{"role": "user", "content": "Hi"}]
            )
    assert caught.value.response.headers["retry-after"] == "30"
    assert len(provider.seen) == 2


# Retries ------------------------------------------------------------------------------------------


@EVERY
@STREAMS
async def test_a_provider_that_recovers_is_waited_for(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """3.24: 503, 503, 200 is a 200; each wait is twice the one before."""
    busy = stubs.refusal(dialect, 503, "api_error", "Busy.")
    provider = await provide(busy, busy, stubs.DIALECTS[dialect](Said()))
    times: list[float] = []
    provider.answers = type(provider.answers)(_timed(times, script) for script in provider.answers)
    site = await visit({**up(provider.url, dialect), "retries": {"attempts": 3, "backoff": 0.1}})
    answer = await site.ask(MODELS[dialect], stream=stream)
    assert (answer.status, answer.text) == (200, "Hello there!")
    assert answer.headers["x-dragoman-attempts"] == "3"
    first, second = times[1] - times[0], times[2] - times[1]
    assert first >= 0.07  # 0.1 s, of which a quarter is random
    assert second >= 0.14


def _timed(times: list[float], script: Any) -> Any:
    def answer(seen: Seen) -> Any:
        times.append(time.monotonic())
        return script(seen) if callable(script) else script

    return answer


async def test_what_never_recovers_is_told_after_the_last_attempt(visit: Visit, provide: Provide) -> None:
    """3.24: the provider's own words, in OpenAI's shape, and a status that clients try again."""
    provider = await provide(stubs.refusal("openai_chat", 503, "api_error", "Busy."))
    site = await visit({**up(provider.url), "retries": {"attempts": 3, "backoff": 0.01}})
    answer = await site.ask()
    assert (answer.status, answer.error["message"]) == (503, "Busy.")
    assert answer.headers["x-dragoman-attempts"] == "3"
    assert len(provider.seen) == 3


@EVERY
async def test_a_short_retry_after_is_waited_for(visit: Visit, provide: Provide, dialect: str) -> None:
    """3.24: the provider's own time goes before ours."""
    limited = stubs.refusal(dialect, 429, "rate_limit_error", "Slow down.")
    provider = await provide(
        Whole(limited.body, 429, {"retry-after": "0.2"}), stubs.DIALECTS[dialect](Said())
    )
    site = await visit({**up(provider.url, dialect), "retries": {"attempts": 2, "backoff": 5}})
    began = time.monotonic()
    assert (await site.ask(MODELS[dialect])).status == 200
    assert 0.2 <= time.monotonic() - began < 4


@STREAMS
async def test_a_long_retry_after_is_passed_on(visit: Visit, provide: Provide, stream: bool) -> None:
    """3.24, 1.12: beyond our patience the client is told how long, at once."""
    limited = stubs.refusal("openai_chat", 429, "rate_limit_exceeded", "Slow down.")
    provider = await provide(Whole(limited.body, 429, {"retry-after": "21"}))
    site = await visit({**up(provider.url), "retries": {"attempts": 3, "backoff_max": 0.5}})
    began = time.monotonic()
    answer = await site.ask(stream=stream)
    assert time.monotonic() - began < 10
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers["retry-after"] == "21"
    assert len(provider.seen) == 1


async def test_a_spent_quota_is_not_tried_again(visit: Visit, provide: Provide) -> None:
    """1.11: waiting does not mend it, and OpenAI's clients are told so."""
    provider = await provide(stubs.refusal("openai_chat", 429, "insufficient_quota", "You exceeded it."))
    site = await visit({**up(provider.url), "retries": {"attempts": 3, "backoff": 0.01}})
    answer = await site.ask()
    assert (answer.status, answer.error["code"]) == (429, "insufficient_quota")
    assert answer.headers["x-should-retry"] == "false"
    assert len(provider.seen) == 1


# What nobody foresaw ------------------------------------------------------------------------------


class Crashes:
    """An upstream with a bug. The secret must not be told."""

    name = "crashes"

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def chat(self, request: Any, call: Any) -> Any:
        raise self.error("secret-internals")


CRASHES = pytest.mark.parametrize("error", [KeyError, ConnectionResetError, TimeoutError])


@STREAMS
@CRASHES
async def test_an_upstream_of_ones_own_that_crashes_is_a_502_without_internals(
    visit: Visit, stream: bool, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """1.21, 2.22: no stack and no names; the log has it; the server goes on."""
    site = await visit({}, upstreams={"crashes": Crashes(error)})
    answer = await site.ask("crashes/m", stream=stream)
    assert (answer.status, answer.error["code"]) == (502, "upstream_failed")
    assert "secret" not in answer.raw.decode()
    assert error.__name__ not in answer.raw.decode()
    assert "secret-internals" in caplog.text
    assert (await site.ask("simulate/echo", stream=stream)).status == 200


# Conversations ------------------------------------------------------------------------------------

XML = "<think>\n  <tool name='a'>1 &lt; 2 && 3</tool>\r\n</think><answer/> <![CDATA[x]]> ]]> </tool_call>"


@EVERY
@STREAMS
async def test_markup_in_text_is_text(visit: Visit, provide: Provide, dialect: str, stream: bool) -> None:
    """3.7: without tools in the request, what looks like a call is passed as it is, in both directions."""
    provider = await provide(stubs.DIALECTS[dialect](Said(XML)))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask(
        MODELS[dialect], stream=stream, messages=[{"role": "user", "content": f"Say {XML}"}]
    )
    assert answer.text == XML
    assert Sent(dialect, provider.last).turns == [("user", [f"Say {XML}"])]


@EVERY
async def test_a_history_arrives_whole_and_in_order(visit: Visit, provide: Provide, dialect: str) -> None:
    """1.7, 2.8, 3.4: stateless, every turn; system and developer messages where the provider has a place."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    site = await visit(up(provider.url, dialect))
    told = [
        ("system", "One."),
        ("user", "Two."),
        ("assistant", "Three."),
        ("user", "Four."),
        ("developer", "Five."),
    ]
    told += [("assistant", "Six."), ("user", "Seven.")]
    await site.ask(MODELS[dialect], messages=[{"role": role, "content": text} for role, text in told])
    sent = Sent(dialect, provider.last)
    if dialect in {"openai_chat", "mistral"}:
        roles = {} if dialect == "openai_chat" else {"developer": "system"}
        assert sent.turns == [(roles.get(role, role), [text]) for role, text in told]
        return
    assert sent.system == ["One."]
    assert [role for role, _ in sent.turns] == ["user", "assistant", "user", "assistant", "user"]
    spoken = "".join(text for _, texts in sent.turns for text in texts)
    places = [spoken.find(text) for _, text in told[1:]]
    assert -1 not in places
    assert places == sorted(places)
