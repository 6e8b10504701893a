"""Realtime events: model names, usage, errors; everything else stays as it is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.live import Heard, Names, Spoken, Used
from dragoman.dialects.openai.realtime import LIVE, RealtimeTalk, address, transcriber, transcribing, usage_of
from dragoman.errors import WireError


def talk(shown: str | None = "voice") -> RealtimeTalk:
    return RealtimeTalk(Names("gpt-realtime", shown, frozenset({"voice", "gpt-realtime"})))


def event(**members: Any) -> str:
    return json.dumps(members)


@pytest.mark.parametrize("name", ["voice", "gpt-realtime"])
def test_the_model_of_the_session_is_named_as_the_provider_does(name: str) -> None:
    said = talk().said(event(type="session.update", session={"model": name, "voice": "marin"})).message
    assert isinstance(said, str)
    assert json.loads(said) == {
        "type": "session.update",
        "session": {"model": "gpt-realtime", "voice": "marin"},
    }


@pytest.mark.parametrize(
    "message",
    [
        event(type="session.update", session={"model": "dearer"}),
        event(type="anything", session={"model": "dearer"}),
        event(type="session.update", session={"model": ["voice"]}),
        '{"type": "session\\u002eupdate", "s\\u0065ssion": {"mod\\u0065l": "dearer"}}',
    ],
)
def test_another_model_is_refused(message: str) -> None:
    with pytest.raises(WireError) as caught:
        talk().said(message)
    assert (caught.value.path, caught.value.code) == ("session.model", "model_not_changeable")


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (event(type="response.create", response={"model": "dearer"}), "response.model"),
        (event(type="response.create", session=3, response={"model": "dearer"}), "response.model"),
        ('{"type": "response.create", "re\\u0073ponse": {"model": "dearer"}}', "response.model"),
        ('{"type": "response.create", "response": {"model": 1e999}}', "response.model"),
        (event(type="session.update", model="dearer"), "model"),
    ],
)
def test_another_model_is_refused_wherever_an_event_names_one(message: str, path: str) -> None:
    with pytest.raises(WireError) as caught:
        talk().said(message)
    assert (caught.value.path, caught.value.code) == (path, "model_not_changeable")
    assert path in caught.value.message


def test_the_model_of_a_response_is_named_as_the_provider_does() -> None:
    said = (
        talk()
        .said(event(type="response.create", model="voice", response={"model": "voice", "input": []}))
        .message
    )
    assert isinstance(said, str)
    assert json.loads(said) == {
        "type": "response.create",
        "model": "gpt-realtime",
        "response": {"model": "gpt-realtime", "input": []},
    }


def test_only_one_of_repeated_settings_is_sent() -> None:
    said = talk().said('{"session": {"model": "dearer"}, "session": {"model": "voice"}}').message
    assert said == '{"session":{"model":"gpt-realtime"}}'
    for message, sent in (
        ('{"session": {"model": "dearer"}, "session": null}', '{"session":null}'),
        ('{"response": {"model": "dearer"}, "response": 3}', '{"response":3}'),
    ):
        assert talk().said(message).message == sent


DEEP = '{"a":' * 100_000


@pytest.mark.parametrize("message", [b"\x00", "[1]", "{", event(type=1), DEEP])
def test_what_is_no_event_is_refused(message: str | bytes) -> None:
    with pytest.raises(WireError):
        talk().said(message)


@pytest.mark.parametrize(
    "message",
    [
        event(type="input_audio_buffer.append", audio="AAAA"),
        event(type="session.update", session={"model": None}).replace(" ", ""),
        event(type="session.update", session=None).replace(" ", ""),
        event(type="session.update", session=3).replace(" ", ""),
        '{"type":  "response.create" }',
    ],
)
def test_other_messages_stay_as_they_are(message: str) -> None:
    assert talk().said(message) == Spoken(message)


def test_the_client_reads_the_name_that_it_knows() -> None:
    message = event(type="session.created", session={"id": "s", "model": "gpt-realtime"})
    heard = talk().heard(message).message
    assert isinstance(heard, str)
    assert json.loads(heard)["session"] == {"id": "s", "model": "voice"}
    assert talk(None).heard(message).message == message
    without = event(type="session.updated", session={"id": "s"})
    assert talk().heard(without).message == without


def test_a_reply_begins_and_ends() -> None:
    begun = talk().heard(event(type="response.created", response={"id": "r"}))
    assert (begun.begins, begun.ends, begun.used) == (True, False, ())
    usage = {"input_tokens": 16, "output_tokens": 24}
    done = talk().heard(event(type="response.done", response={"usage": usage}))
    assert (done.begins, done.ends) == (False, True)
    assert done.used == (Used(ir.Usage(16, None, output=24)),)
    assert talk().heard(event(type="response.done", response={"usage": None})).used == ()


def test_events_say_which_reply_they_are_a_part_of() -> None:
    one = talk()
    assert one.heard(event(type="response.created", response={"id": "r"})).reply == "r"
    assert one.heard(event(type="response.done", response={"id": "r"})).reply == "r"
    assert one.heard(event(type="response.output_audio.delta", delta="AAAA", response_id="r")).reply == "r"
    told = event(type="response.output_text.delta", delta='"response_id": "s"')
    assert one.heard(told).reply is None
    assert one.heard(event(type="response.created", response={"id": 1})).reply is None


@pytest.mark.parametrize("usage", [{}, {"input_tokens": -5, "output_tokens": "x"}, {"input_tokens": None}, 3])
def test_a_usage_without_counts_is_none(usage: Any) -> None:
    assert talk().heard(event(type="response.done", response={"usage": usage})).used == ()


def test_usage_beside_the_response_counts_too() -> None:
    message = event(
        type="response.done", response={"usage": {}}, usage={"input_tokens": 1, "output_tokens": 2}
    )
    assert talk().heard(message).used == (Used(ir.Usage(1, None, output=2)),)


def test_the_time_that_xai_bills_counts_as_it_grows() -> None:
    one = talk()

    def billed(seconds: Any) -> Any:
        usage = {"input_tokens": 1, "output_tokens": 2, "billable_audio_seconds": seconds}
        (used,) = one.heard(event(type="response.done", response={"usage": {}}, usage=usage)).used
        assert used.usage == ir.Usage(1, None, output=2)
        return used.units.get("input_audio_ms")

    # 1 and 4 are of a recorded session
    assert [billed(seconds) for seconds in (1, 4, 4, 4.5, 2, 5)] == [1000, 3000, None, 500, 2000, 3000]
    assert [billed(seconds) for seconds in (0, -1, "3", 1e99, None)] == [None] * 5
    alone = {"billable_audio_seconds": 6}
    (used,) = one.heard(event(type="response.done", response={"usage": alone})).used
    assert used == Used(units={"input_audio_ms": 1000})


def test_usage_has_kinds_and_cached_tokens() -> None:
    usage = usage_of(
        {
            "input_tokens": 100,
            "output_tokens": 24,
            "input_token_details": {
                "text_tokens": 60,
                "audio_tokens": 40,
                "cached_tokens": 30,
                "cached_tokens_details": {"text_tokens": 10, "audio_tokens": 20},
            },
            "output_token_details": {"text_tokens": 9, "audio_tokens": 15},
        }
    )
    assert (usage.input, usage.cache_read, usage.output) == (70, 30, 24)
    assert usage.detail == {
        "input_text": 60,
        "input_audio": 40,
        "cache_read_text": 10,
        "cache_read_audio": 20,
        "output_text": 9,
        "output_audio": 15,
    }


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"type": "duration", "seconds": 3},
            Used(units={"input_audio_ms": 3000}, model="whisper", transcript=True),
        ),
        (
            {"input_tokens": 5, "output_tokens": 2},
            Used(ir.Usage(5, None, output=2), model="whisper", transcript=True),
        ),
    ],
)
@pytest.mark.parametrize(
    "session",
    [
        {"audio": {"input": {"transcription": {"model": "whisper"}}}},
        {"input_audio_transcription": {"model": "whisper"}},
    ],
)
def test_transcripts_are_the_work_of_another_model(usage: Any, expected: Used, session: Any) -> None:
    one = talk()
    completed = event(type="conversation.item.input_audio_transcription.completed", usage=usage)
    own = msgspec.structs.replace(expected, model="gpt-realtime")
    assert one.heard(completed).used == (own,)  # the session names no other model
    assert one.heard(event(type="session.updated", session=session)).transcriber == "whisper"
    assert one.heard(completed).used == (expected,)
    one.heard(event(type="session.updated", session={"voice": "marin"}))  # only what was changed
    assert one.heard(completed).used == (expected,)
    one.heard(event(type="session.updated", session={"input_audio_transcription": None}))
    assert one.heard(completed).used == (own,)


@pytest.mark.parametrize("seconds", [-1, "3", None, 1e99])
def test_an_impossible_duration_is_estimated(seconds: Any) -> None:
    one = talk()
    one.heard(event(type="session.updated", session={"input_audio_transcription": {"model": "whisper"}}))
    usage = {"type": "duration", "seconds": seconds}
    words = ir.Usage(output=0, estimated=True)
    assert one.heard(transcribed(usage=usage)).used == (Used(words, model="whisper", transcript=True),)
    usage = {"type": "duration", "seconds": 0}
    assert one.heard(transcribed(usage=usage)).used == (Used(model="whisper", transcript=True),)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "invalid_request_error", "code": "invalid_api_key", "message": "no"}, "authentication"),
        ({"type": "rate_limit", "code": "rate_limit_exceeded", "message": "no"}, "rate_limit"),
        ({"type": "server_error", "message": "no"}, "upstream"),
        ({"type": "invalid_request_error", "message": "no"}, "invalid_request"),
    ],
)
def test_errors_have_kinds(error: Any, kind: str) -> None:
    fault = talk().heard(event(type="error", error=error)).fault
    assert fault is not None
    assert (fault.kind, fault.message) == (kind, "no")


def test_binary_messages_are_read_if_they_are_text() -> None:
    usage = {"input_tokens": 16, "output_tokens": 24}
    done = event(type="response.done", response={"id": "r", "usage": usage})
    heard = talk().heard(done.encode())
    assert heard == msgspec.structs.replace(talk().heard(done), message=done.encode())
    created = event(type="session.created", session={"model": "gpt-realtime"})
    told = talk().heard(created.encode()).message
    assert isinstance(told, bytes)
    assert json.loads(told)["session"] == {"model": "voice"}


@pytest.mark.parametrize("sound", [b"\x00", b"", b"{\xff", b"\xff"])
def test_sound_in_binary_messages_passes(sound: bytes) -> None:
    assert talk().heard(sound) == Heard(sound)


def test_other_messages_pass() -> None:
    message = event(type="ping", text='"response.done"')
    heard = talk().heard(message)
    assert (heard.message, heard.ends, heard.begins, heard.used) == (message, False, False, ())


def test_the_gateway_tells_failures_as_the_server_does() -> None:
    told = LIVE.error(ir.Fault("rate_limit", "slow", error_id="req_1"))
    assert json.loads(told or "") == {
        "type": "error",
        "event_id": "event_1",
        "error": {
            "message": "slow",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
            "error_id": "req_1",
            "event_id": None,
        },
    }


@pytest.mark.parametrize(
    ("base", "query", "expected"),
    [
        ("https://api.openai.com/v1", "", "https://api.openai.com/v1/realtime?model={model}"),
        (
            "https://r.openai.azure.com/openai",
            "?api-version=2025-04-01-preview",
            "https://r.openai.azure.com/openai/realtime?api-version=2025-04-01-preview&deployment={model}",
        ),
        (
            "https://r.openai.azure.com/openai/v1",
            "?api-version=preview",
            "https://r.openai.azure.com/openai/v1/realtime?model={model}&api-version=preview",
        ),
    ],
)
def test_addresses(base: str, query: str, expected: str) -> None:
    assert address(base, query) == expected
    assert LIVE.model is None


def listening(*, unnamed: bool = True, first: str | None = None) -> RealtimeTalk:
    return RealtimeTalk(
        Names("whisper", "ears", frozenset({"ears"}), transcribes=True, unnamed=unnamed), first
    )


HEARING = {"audio": {"input": {"transcription": {"model": "ears"}}}}
BETA = {"input_audio_transcription": {"model": "ears"}}


@pytest.mark.parametrize("settings", [HEARING, BETA])
def test_the_model_that_transcribes_is_named_as_each_side_does(settings: dict[str, Any]) -> None:
    said = listening().said(event(type="session.update", session=settings)).message
    assert isinstance(said, str)
    assert said.replace(" ", "") == event(type="session.update", session=settings).replace(
        '"ears"', '"whisper"'
    ).replace(" ", "")
    told = listening().heard(event(type="session.updated", session=json.loads(said)["session"]))
    assert isinstance(told.message, str)
    assert json.loads(told.message)["session"] == settings


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"audio": {"input": {"transcription": {"model": "dearer"}}}}, "audio.input.transcription"),
        ({"input_audio_transcription": {"model": "dearer"}}, "input_audio_transcription"),
        ({"audio": {"input": {"transcription": {"model": 3}}}}, "audio.input.transcription"),
    ],
)
def test_another_model_may_not_transcribe(settings: dict[str, Any], path: str) -> None:
    with pytest.raises(WireError) as caught:
        listening().said(event(type="session.update", session=settings))
    assert (caught.value.path, caught.value.code) == (f"session.{path}.model", "model_not_changeable")


@pytest.mark.parametrize(
    "settings", [{"audio": None}, {"audio": {"input": 3}}, {"audio": {"input": {"transcription": None}}}]
)
def test_settings_of_another_form_are_the_providers_to_judge(settings: dict[str, Any]) -> None:
    said = listening().said(event(type="session.update", session=settings)).message
    assert isinstance(said, str)
    assert json.loads(said)["session"] == settings


def test_a_session_of_another_kind_may_name_any_transcriber() -> None:
    message = event(type="session.update", session={"input_audio_transcription": {"model": "whisper-1"}})
    said = talk().said(message).message
    assert isinstance(said, str)
    assert json.loads(said) == json.loads(message)


def test_the_client_knows_the_model_by_one_name_whatever_its_provider_calls_it() -> None:
    one = listening()
    dated = {"audio": {"input": {"transcription": {"model": "whisper-2026-09-01"}}}}
    told = one.heard(event(type="session.updated", session=dated))
    assert isinstance(told.message, str)
    assert json.loads(told.message)["session"] == HEARING
    assert told.transcriber is None  # its price is that of the session's model
    (used,) = one.heard(transcribed(usage={"type": "duration", "seconds": 2})).used
    assert used == Used(units={"input_audio_ms": 2000}, transcript=True)


def transcribed(**members: Any) -> str:
    return event(type="conversation.item.input_audio_transcription.completed", **members)


@pytest.mark.parametrize("usage", [None, "none", {}, {"input_tokens": -1}])
def test_a_transcript_without_usage_is_estimated(usage: Any) -> None:
    words = ir.Usage(output=4, estimated=True)
    (used,) = listening().heard(transcribed(transcript="Grüße an alle", usage=usage)).used
    assert used == Used(words, transcript=True)
    partial = listening().heard(transcribed(transcript="Grü", status="in_progress"))
    assert (partial.used, partial.speech) == ((), "heard")
    (used,) = talk().heard(transcribed(transcript="Grüße an alle", usage=usage)).used
    assert used == Used(words, model="gpt-realtime", transcript=True)


@pytest.mark.parametrize(
    ("kind", "speech"),
    [
        ("input_audio_buffer.speech_started", "heard"),
        ("input_audio_buffer.committed", "heard"),
        ("input_audio_buffer.speech_stopped", None),
        ("conversation.item.input_audio_transcription.delta", "heard"),
        ("conversation.item.input_audio_transcription.updated", "heard"),
        ("conversation.item.input_audio_transcription.segment", "heard"),
        ("conversation.item.input_audio_transcription.failed", "failed"),
    ],
)
def test_events_tell_whether_the_client_speaks(kind: str, speech: str | None) -> None:
    assert talk().heard(event(type=kind, delta="Hi")).speech == speech
    quoted = event(type="response.output_text.delta", delta=f'"{kind}"')
    assert talk().heard(quoted).speech is None


def test_settings_are_read_whatever_stands_before_their_type() -> None:
    session = {"instructions": "input_audio_buffer.committed", "input_audio_transcription": {"model": "w"}}
    heard = talk().heard(event(session=session, type="session.updated"))
    assert (heard.transcriber, heard.speech) == ("w", None)


SECOND = "A" * (24_000 * 2 * 4 // 3)
"""A second of sound in the usual format."""


def appended(sound: str = SECOND) -> str:
    return event(type="input_audio_buffer.append", audio=sound)


def test_the_sound_for_a_model_that_transcribes_is_measured() -> None:
    one = talk()
    assert one.said(appended()) == Spoken(appended())
    session = {"input_audio_transcription": {"model": "whisper"}}
    one.heard(event(type="session.updated", session=session))
    assert one.said(appended()) == Spoken(appended(), 1000.0, "whisper")
    assert one.said(event(type="response.create")).sound == 0.0
    commit = event(type="input_audio_buffer.commit")
    assert one.said(commit) == Spoken(commit, 0.0, "whisper", commits=True)
    one.heard(event(type="session.updated", session={"input_audio_transcription": None}))
    assert one.said(appended()).sound == 0.0
    assert listening().said(appended()) == Spoken(appended(), 1000.0)


def test_a_model_that_the_client_asks_for_counts_before_the_provider_confirms_it() -> None:
    one = talk()
    wish = {"audio": {"input": {"transcription": {"model": "whisper"}, "format": {"type": "audio/pcmu"}}}}
    one.said(event(type="session.update", session=wish))
    assert one.said(appended()) == Spoken(appended(), 6000.0, "whisper")
    one.heard(event(type="session.updated", session={"voice": "marin"}))  # only what was changed
    assert one.said(appended()).by == "whisper"
    one.heard(event(type="session.updated", session={"audio": {"input": {"transcription": None}}}))
    assert one.said(appended()).sound == 0.0


def test_a_format_that_the_provider_confirms_counts() -> None:
    one = listening()
    for settings, length in (
        ({"input_audio_format": "g711_ulaw"}, 6000.0),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 48_000}}}}, 500.0),
    ):
        one.heard(event(type="session.updated", session=settings))
        assert one.said(appended()).sound == length
    one.said(event(type="session.update", session={"input_audio_format": "g711_alaw"}))
    assert one.said(appended()).sound == 6000.0  # the slower one, until the provider states which


HEARD_GA = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper"}}}}
HEARD_BETA = {"input_audio_transcription": {"model": "whisper"}}


@pytest.mark.parametrize(
    ("greeting", "kind", "settings"),
    [
        ("session.created", "session.update", HEARD_GA),
        ("transcription_session.created", "transcription_session.update", HEARD_BETA),
    ],
)
def test_a_provider_that_nothing_has_told_the_model_is_told_it_in_its_version(
    greeting: str, kind: str, settings: dict[str, Any]
) -> None:
    one = listening()
    assert one.opening() == ()
    (answer,) = one.heard(event(type=greeting, session={})).answers
    assert isinstance(answer, str)
    assert json.loads(answer) == {"type": kind, "session": settings}
    assert one.heard(event(type=greeting, session={})).answers == ()


def test_the_first_event_of_the_client_may_name_the_model() -> None:
    assert listening(unnamed=False).opening() == ()
    assert listening(unnamed=False).heard(event(type="session.created", session={})).answers == ()
    one = listening(first=event(type="session.update", session=BETA))
    (first,) = one.opening()
    assert isinstance(first, str)
    assert json.loads(first)["session"] == HEARD_BETA
    assert one.heard(event(type="session.created", session={})).answers == ()


@pytest.mark.parametrize("settings", [HEARING, BETA])
def test_the_first_event_names_the_model_that_transcribes(settings: dict[str, Any]) -> None:
    assert transcriber(event(type="session.update", session=settings)) == "ears"


@pytest.mark.parametrize(
    ("message", "path", "code"),
    [
        (b"sound", "type", "missing_required_parameter"),
        (event(session=HEARING), "type", "missing_required_parameter"),
        (event(type=["session.update"], session=HEARING), "type", "invalid_value"),
        (event(type="response.create", session=HEARING), "type", "invalid_value"),
        (
            event(type="session.update", session={"audio": 1}),
            "session.audio.input.transcription.model",
            "missing_required_parameter",
        ),
        (
            event(type="session.update", session={"type": "realtime", **HEARING}),
            "session.type",
            "invalid_value",
        ),
        (event(type="session.update", session={"type": {}, **HEARING}), "session.type", "invalid_value"),
        (event(type="session.update", session=HEARING, model="dearer"), "model", "invalid_value"),
        (event(type="session.update", session={**HEARING, "model": []}), "session.model", "invalid_value"),
        (
            event(
                type="session.update", session={**HEARING, "input_audio_transcription": {"model": "dearer"}}
            ),
            "session.input_audio_transcription.model",
            "invalid_value",
        ),
    ],
)
def test_a_first_event_that_does_not_fit_is_refused(message: Any, path: str, code: str) -> None:
    with pytest.raises(WireError) as caught:
        transcriber(message)
    assert (caught.value.path, caught.value.code) == (path, code)


def test_settings_cannot_make_another_session_of_one_that_only_transcribes() -> None:
    for kind in ("realtime", ["transcription"]):
        with pytest.raises(WireError) as caught:
            listening().said(event(type="session.update", session={"type": kind}))
        assert (caught.value.path, caught.value.code) == ("session.type", "invalid_value")
    for told in ("transcription", None):
        said = listening().said(event(type="session.update", session={"type": told})).message
        assert isinstance(said, str)
        assert json.loads(said)["session"] == {"type": told}
    other = event(type="session.update", session={"type": "transcription"})
    assert json.loads(str(talk().said(other).message)) == json.loads(other)  # the provider judges it


def test_the_address_of_sessions_that_only_transcribe_names_no_model() -> None:
    assert transcribing("wss://a/v1", "") == "wss://a/v1/realtime?intent=transcription"
    assert transcribing("wss://a/openai", "?api-version=1") == (
        "wss://a/openai/realtime?api-version=1&intent=transcription"
    )
