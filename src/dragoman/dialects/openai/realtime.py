"""Realtime sessions as OpenAI, Azure OpenAI and xAI have them.

OpenAI: https://developers.openai.com/api/docs/guides/realtime-websocket.md, read 2026-11, in the forms of the
client openai 3.54.0 (`types.realtime`). Azure: the same API, at `/openai/v1/realtime?model=…`; dated versions
at `/openai/realtime?api-version=…&deployment=…`
(https://learn.microsoft.com/azure/foundry/openai/how-to/realtime-audio-websockets, read 2026-11). xAI states
the usage beside the response and not in it (recorded sessions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.live import TRANSCRIBING, Heard, Live, Message, Names, Spoken, Used, closing
from dragoman.dialects.openai.errors import decode_error, error_member
from dragoman.dialects.openai.input_sound import InputSound
from dragoman.errors import WireError
from dragoman.tokens.vocabulary import by_bytes
from dragoman.wire.json import UNDECODABLE, decode_head, decode_object, encode, encode_head

_CREATED: Final = "response.created"
_DONE: Final = "response.done"
_TRANSCRIBED: Final = "conversation.item.input_audio_transcription.completed"
_SESSION: Final = frozenset(
    {
        *("session.created", "session.updated"),
        *("transcription_session.created", "transcription_session.updated"),
    }
)
_BETA: Final = frozenset({"transcription_session.created", "transcription_session.updated"})
"""Events that only the beta version has. Azure's dated versions are of this version, too."""
_READ: Final = re.compile(
    r'"(?:response\.(?:created|done)|(?:transcription_)?session\.(?:created|updated)'
    r'|conversation\.item\.input_audio_transcription\.(?:completed|failed)|error)"'
)
"""Matches the types of the events that the relay reads. Sound in base64 has no quotation marks, so events
with sound are searched quickly."""
_PARTIAL: Final = "in_progress"
"""The `status` of a transcript of which more follows."""
_FAILED: Final = "conversation.item.input_audio_transcription.failed"
_SPEECH: Final = re.compile(
    r'"(?:input_audio_buffer\.(?:speech_started|committed)'
    r'|conversation\.item\.input_audio_transcription\.(?:delta|updated|segment))"'
)
"""Matches the types of the events which show that a transcript has begun. They need not be decoded."""
_MOST_OF_SPEECH: Final = 16_384
"""The most characters of an event that is searched for `_SPEECH`. Longer ones usually have sound."""
_COMMIT: Final = "input_audio_buffer.commit"
_UPDATES: Final = frozenset({"session.update", "transcription_session.update"})
"""The client's events with the settings of a session; the second is that of the beta version."""
_FIRST_EVENT: Final = (
    "The first event of a session that only transcribes must be a 'session.update' that names the model,"
    " unless the query of the URL does."
)
_TRANSCRIPTIONS: Final = (("audio", "input", "transcription"), ("input_audio_transcription",))
"""The places of the transcription in a session's settings; the second is that of the beta version."""
_OF_REPLY: Final = re.compile(r'"response_id"\s*:\s*"([^"\\]{1,128})"')
"""Matches the member with the id of the response that an event is a part of. Text within a string has a
backslash before each quotation mark, so that it does not match.
"""
_STATUSES: Final = {
    "invalid_api_key": 401,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "server_error": 500,
}
"""Code or type of an error event -> the HTTP status that it means. The event states no status."""


class _Said(msgspec.Struct, gc=False):
    """The members of a client's event that the relay reads."""

    type: str = ""
    model: msgspec.Raw = msgspec.Raw(b"")
    session: msgspec.Raw = msgspec.Raw(b"")
    response: msgspec.Raw = msgspec.Raw(b"")
    audio: msgspec.Raw = msgspec.Raw(b"")


_read_said: Final = msgspec.json.Decoder(_Said).decode


class RealtimeTalk:
    """One realtime session between a client and a provider (`live.Talk`). names: the names of the session's
    model. first: the message of the client that has named this model (`transcriber`); None = the query of the
    handshake has named it.

    In a session that only transcribes, the model's name stands in the settings of the transcription.
    """

    def __init__(self, names: Names, first: Message | None = None) -> None:
        self._names = names
        self._first = first
        self._transcriber: str | None = None
        """The model that transcribes the client's speech, as the provider states it; None = none does."""
        self._wanted: str | None = None
        """The model that the client has asked for since, which may transcribe before the provider says so."""
        self._unnamed = names.unnamed and first is None
        """Whether a message must still name the model to the provider."""
        self._sound = InputSound()
        self._billed = 0.0
        """The seconds of sound that xAI has stated as billed so far."""

    def opening(self) -> Sequence[Message]:
        """Return the first messages for the provider: the client's first message in the form for the provider
        (`said`, which may raise WireError), if it was read to know the model. Otherwise none, because the
        provider begins with `session.created`.
        """
        return () if self._first is None else (self.said(self._first).message,)

    def said(self, message: Message) -> Spoken:
        """Return a client's event in the form for the provider, and how much sound in it a model transcribes.
        If the event names a model as `model`, `session.model` or `response.model`, this name becomes the
        provider's name; in a session that only transcribes, also the name in the settings of the
        transcription, which is added if they have none.

        Raises WireError for a binary message, for a message that is not a JSON object or whose `type` is not
        a text, for a model that is not one of the session's names (`names.allowed`), because the client's
        rights and limits were checked only for these, and for settings of another type in a session that only
        transcribes.
        """
        if isinstance(message, bytes):
            raise WireError("A realtime event must be text, not binary.", "", "invalid_message")
        try:
            said = _read_said(message)
        except UNDECODABLE as error:
            raise WireError(
                f"A realtime event must be a JSON object: {error}", "", "invalid_message"
            ) from None
        if not (bytes(said.session) or bytes(said.response) or bytes(said.model)):
            return self._spoken(said, message)
        head = decode_head(message.encode())
        self._rename(head, "model")
        for name in ("session", "response"):
            if bytes(head.get(name, b""))[:1] == b"{":  # otherwise the provider says what is wrong with it
                settings = decode_head(bytes(head[name]))
                self._rename(settings, f"{name}.model")
                if name == "session":
                    self._set(settings)
                head[name] = msgspec.Raw(encode_head(settings))
        return self._spoken(said, encode_head(head).decode())

    def _spoken(self, said: _Said, message: str) -> Spoken:
        """Return an event for the provider (`message`) with the sound in it. said: the client's event."""
        if (by := self._by) is None:
            return Spoken(message)
        audio = bytes(said.audio)
        sound = self._sound.milliseconds(audio, len(message)) if audio else 0.0
        return Spoken(message, sound, None if self._names.transcribes else by, said.type == _COMMIT)

    @property
    def _by(self) -> str | None:
        """The provider's name of the model that transcribes what the client says; None = none does."""
        return self._names.upstream if self._names.transcribes else self._transcriber or self._wanted

    def _set(self, settings: dict[str, msgspec.Raw]) -> None:
        """Read, and in a session that only transcribes edit, the settings that the client sends."""
        if self._names.transcribes:
            _hold_to_transcription(_value(settings.get("type")))
            for path in _TRANSCRIPTIONS:
                place = ".".join(("session", *path))
                _edit_at(settings, path, partial(self._set_transcriber, place))
        stated = _value(msgspec.Raw(encode_head(settings)))
        self._sound.said(stated)
        if isinstance(stated, dict) and _states_transcription(stated):
            self._wanted = _transcriber(stated)

    def _rename(self, members: dict[str, msgspec.Raw], path: str) -> None:
        """Replace the member `model` of `members`, if there is one and it is not null, by the provider's name
        of the session's model. Raises WireError if it is not a name that the client may use for this model.
        path: the JSON path of this member in the event.
        """
        if bytes(members.get("model", b"null")) == b"null":
            return
        name = _value(members["model"])
        if not isinstance(name, str) or name not in self._names.allowed:
            text = f"Invalid '{path}': the model of a running session cannot be changed."
            raise WireError(text, path, "model_not_changeable")
        members["model"] = msgspec.Raw(encode(self._names.upstream))

    def _set_transcriber(self, place: str, members: dict[str, msgspec.Raw]) -> None:
        """Write the provider's name of the session's model into the settings of a transcription (`members`),
        in place of the client's name, if they state one. place: the JSON path of these settings in the event.
        Raises WireError as `_rename`.
        """
        self._rename(members, f"{place}.model")
        members["model"] = msgspec.Raw(encode(self._names.upstream))

    def heard(self, message: Message) -> Heard:
        """Return a provider's event in the form for the client: in the settings of the session, the model's
        name becomes the name that the client knows. The result also has the facts that the event states.

        If neither the URL nor the client has named the model to the provider, the first event with settings
        is answered (`Heard.answers`) by an event that names it.

        A binary message that begins with `{` and is UTF-8 is read as a text. Any other binary message, and an
        event of a type that is not read here, is passed on unchanged. Raises WireError if an event that is
        read is not a JSON object.
        """
        if isinstance(message, bytes):
            return self._of_binary(message)
        if _READ.search(message) is None:
            if len(message) <= _MOST_OF_SPEECH and _SPEECH.search(message) is not None:
                return Heard(message, speech="heard")
            part = _OF_REPLY.search(message)
            return Heard(message, reply=None if part is None else part[1])
        event = decode_object(message.encode())
        kind = event.get("type")
        if kind == _CREATED:
            return Heard(message, begins=True, reply=_reply(event))
        if kind == _DONE:
            return Heard(message, ends=True, used=self._of_response(event), reply=_reply(event))
        if kind == _TRANSCRIBED:
            used = self._of_transcript(event)
            return Heard(message, used=used, speech=None if used else "heard")
        if kind == _FAILED:
            return Heard(message, speech="failed")
        if kind in _SESSION and isinstance(session := event.get("session"), dict):
            self._sound.heard(session)
            if not self._names.transcribes and _states_transcription(session):
                self._transcriber, self._wanted = _transcriber(session), None
            shown = self._shown(message, session)
            return Heard(shown, transcriber=self._transcriber, answers=self._naming(kind))
        if kind == "error":
            return Heard(message, fault=_fault(event))
        return Heard(message)

    def _of_binary(self, message: bytes) -> Heard:
        """Read a binary message like a text, if it is one: clients read both alike. Other ones are sound."""
        try:
            text = message.decode() if message[:1] == b"{" else None
        except UnicodeDecodeError:
            text = None
        if text is None:
            return Heard(message)
        heard = self.heard(text)
        told = message if heard.message == text else str(heard.message).encode()
        return msgspec.structs.replace(heard, message=told)

    def _shown(self, message: str, session: Mapping[str, Any]) -> Message:
        shown = self._names.shown
        transcribes = self._names.transcribes and _transcriber(session) is not None
        if shown is None or not ("model" in session or transcribes):
            return message
        head = decode_head(message.encode())
        settings = decode_head(bytes(head["session"]))
        if "model" in session:
            settings["model"] = msgspec.Raw(encode(shown))
        if transcribes:
            for path in _TRANSCRIPTIONS:
                _edit_at(settings, path, partial(_show, shown))
        head["session"] = msgspec.Raw(encode_head(settings))
        return encode_head(head).decode()

    def _naming(self, kind: str) -> tuple[Message, ...]:
        """Return the event that names the model to the provider; () = something has named it already, for
        example an earlier call. kind: the type of the provider's event with the session's settings, which
        shows the version of the API.
        """
        if not self._unnamed:
            return ()
        self._unnamed = False
        named = {"model": self._names.upstream}
        if kind in _BETA:
            return (_update("transcription_session.update", {"input_audio_transcription": named}),)
        settings = {"type": "transcription", "audio": {"input": {"transcription": named}}}
        return (_update("session.update", settings),)

    def _of_response(self, event: Mapping[str, Any]) -> tuple[Used, ...]:
        """Return the tokens, and the milliseconds of sound, that the end of a response states as used; () =
        it states none.

        xAI bills time and states it as `billable_audio_seconds`, which is not documented (2026-11). In
        sessions that others have recorded it is the sum of all responses so far, so only the growth counts;
        a smaller number than before can be no such sum, and counts as a whole.
        """
        response = event.get("response")
        stated = response.get("usage") if isinstance(response, dict) else None
        usage = stated or event.get("usage")
        if not isinstance(usage, dict):
            return ()
        units: dict[str, int] = {}
        seconds = usage.get("billable_audio_seconds")
        if isinstance(seconds, (int, float)) and 0 < seconds <= _LONGEST:
            before, self._billed = self._billed, seconds
            if grown := seconds if seconds < before else seconds - before:
                units["input_audio_ms"] = round(grown * 1000)
        tokens = next(iter(_readable(usage)), None)
        return (Used(tokens, units),) if units or tokens is not None else ()

    def _of_transcript(self, event: Mapping[str, Any]) -> tuple[Used, ...]:
        """Return the tokens, or the milliseconds of sound, that a transcript of the client's speech has used:
        by the model that the session names for transcription, otherwise by the session's model. If the event
        states neither, the tokens of the text are estimated; but if more of the same transcript follows
        (xAI), the result is (). event: the provider's event.
        """
        usage, model = event.get("usage"), None if self._names.transcribes else self._transcriber
        if model is None and not self._names.transcribes:
            model = self._names.upstream
        stated = _of_sound(usage) if isinstance(usage, dict) else None
        if stated is None and event.get("status") == _PARTIAL:
            return ()
        if stated is None:
            text = event.get("transcript")
            words = ir.Usage(output=by_bytes(text) if isinstance(text, str) else 0, estimated=True)
            stated = Used(words)
        return (msgspec.structs.replace(stated, model=model, transcript=True),)


_LONGEST: Final = 86_400


def usage_of(usage: Mapping[str, Any]) -> ir.Usage:
    """Return the token counts in the `usage` of an event. Its `input_tokens` includes the cached tokens; the
    result counts the cached tokens apart, in `cache_read`. `detail` has the counts of text, audio and images
    as they are stated, in `input_…` with the cached tokens. A count that is not an integer >= 0 counts as not
    stated.
    """
    taken, given = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    inputs = usage.get("input_token_details")
    inputs = inputs if isinstance(inputs, dict) else {}
    cached = _count(inputs.get("cached_tokens"))
    detail: dict[str, Any] = {}
    _detail(detail, "input", inputs)
    _detail(detail, "cache_read", inputs.get("cached_tokens_details"))
    _detail(detail, "output", usage.get("output_token_details"))
    fresh = None if taken is None else max(taken - (cached or 0), 0)
    return ir.Usage(fresh, cached, output=given, detail=detail or None)


def _detail(detail: dict[str, Any], prefix: str, counts: Any) -> None:
    if isinstance(counts, dict):
        for kind in ("text", "audio", "image"):
            if amount := _count(counts.get(f"{kind}_tokens")):
                detail[f"{prefix}_{kind}"] = amount


def _of_sound(usage: Mapping[str, Any]) -> Used | None:
    """Return the tokens or the milliseconds that the `usage` of a transcript states; None = it states neither
    in a usable form.
    """
    if usage.get("type") != "duration":
        return next((Used(one) for one in _readable(usage)), None)
    seconds = usage.get("seconds")
    if not isinstance(seconds, (int, float)) or not 0 <= seconds <= _LONGEST:
        return None
    return Used(units={"input_audio_ms": round(seconds * 1000)} if seconds else {})


def _update(kind: str, settings: Mapping[str, Any]) -> Message:
    return encode({"type": kind, "session": settings}).decode()


def _value(raw: msgspec.Raw | None) -> Any:
    """Return the decoded value of a member; None = there is no such member. A number that is too large for a
    float becomes infinity.
    """
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except UNDECODABLE:
        return inf


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _readable(usage: Mapping[str, Any]) -> tuple[ir.Usage, ...]:
    """Return the token counts in the `usage` of an event; () = it states neither an input nor an output
    count.
    """
    counts = usage_of(usage)
    return () if counts.input is None and counts.output is None else (counts,)


def _reply(event: Mapping[str, Any]) -> str | None:
    """Return the id of the event's `response`; None = it has none."""
    response = event.get("response")
    name = response.get("id") if isinstance(response, dict) else None
    return name if isinstance(name, str) and name else None


def _edit_at(
    members: dict[str, msgspec.Raw], path: Sequence[str], edit: Callable[[dict[str, msgspec.Raw]], None]
) -> None:
    """Call `edit` with the members of the object at `path` within `members`, and write back what it leaves.
    Does nothing if there is no object: then the provider says what is wrong.
    """
    name, *rest = path
    value = bytes(members.get(name, b""))
    if value[:1] != b"{":
        return
    inner = decode_head(value)
    if rest:
        _edit_at(inner, rest, edit)
    else:
        edit(inner)
    members[name] = msgspec.Raw(encode_head(inner))


def _show(shown: str, members: dict[str, msgspec.Raw]) -> None:
    """Replace the model in the settings of the transcription (`members`), if they name one."""
    if "model" in members:
        members["model"] = msgspec.Raw(encode(shown))


def _states_transcription(session: Mapping[str, Any]) -> bool:
    """Whether `session` says which model transcribes, or that none does. Some servers send only the settings
    that were changed.
    """
    audio = session.get("audio")
    heard = audio.get("input") if isinstance(audio, dict) else None
    return "input_audio_transcription" in session or (isinstance(heard, dict) and "transcription" in heard)


def _transcriber(session: Mapping[str, Any]) -> str | None:
    """Return the name of the model that transcribes the client's speech; None = `session` names none. The
    name is in the first of `_TRANSCRIPTIONS` that has one.
    """
    for path in _TRANSCRIPTIONS:
        model = _at(session, (*path, "model"))
        if isinstance(model, str) and model:
            return model
    return None


def _at(value: Any, path: Sequence[str]) -> Any:
    """Return the value at `path` within a decoded JSON value; None = there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _hold_to_transcription(kind: Any) -> None:
    """Raise WireError if the settings of a session that only transcribes say that it is of another type.
    kind: their member `type`; None = they have none.
    """
    if kind is not None and kind != TRANSCRIBING:
        text = f"Invalid 'session.type': this session only transcribes, so its type is {TRANSCRIBING!r}."
        raise WireError(text, "session.type", "invalid_value")


def _fault(event: Mapping[str, Any]) -> ir.Fault:
    error = event.get("error")
    error = error if isinstance(error, dict) else {}
    said = (error.get("code"), error.get("type"))
    status = next((_STATUSES[word] for word in said if isinstance(word, str) and word in _STATUSES), 400)
    return decode_error(status, {}, encode({"error": error}))


def transcribing(base: str, query: str) -> str:
    """Return the URL of a provider's sessions that only transcribe; it does not name the model. base: the
    provider's base URL. query: the query that all URLs of the provider have ("?api-version=…"); "" = they
    have none.
    """
    intent = "intent=transcription"
    return f"{base}/realtime{query}&{intent}" if query else f"{base}/realtime?{intent}"


def transcriber(message: Message) -> str:
    """Return the model that a client's first event in a session that only transcribes names in the settings
    of the transcription. Raises WireError if the event does not have the settings of such a session, if they
    name no model for the transcription, or if the event names a second model.
    """
    event = {} if isinstance(message, bytes) else decode_object(message.encode())
    kind, session = event.get("type"), event.get("session")
    if kind is not None and not (isinstance(kind, str) and kind in _UPDATES):
        raise WireError(_FIRST_EVENT, "type", "invalid_value")
    session = session if isinstance(session, dict) else {}
    _hold_to_transcription(session.get("type"))
    named = _transcriber(session)
    if kind is None or named is None:
        place = "type" if kind is None else "session.audio.input.transcription.model"
        raise WireError(_FIRST_EVENT, place, "missing_required_parameter")
    for path in (("model",), ("session", "model"), *(("session", *one, "model") for one in _TRANSCRIPTIONS)):
        if (other := _at(event, path)) is not None and other != named:
            place = ".".join(path)
            text = f"Invalid '{place}': the event names the model {named[:64]!r}, too, and a session has one."
            raise WireError(text, place, "invalid_value")
    return named


def error_event(fault: ir.Fault) -> str:
    """Return an `error` event for the client, as JSON text. Its form is `types.realtime.RealtimeErrorEvent`
    of OpenAI's Python client.
    """
    error = {**error_member(fault), "event_id": None}
    event_id = f"event_{(fault.error_id or 'gateway').removeprefix('req_')}"
    return encode({"type": "error", "event_id": event_id, "error": error}).decode()


def address(base: str, query: str) -> str:
    """Return the URL of a provider's realtime sessions; `{model}` in it stands for the model's name.

    base: the provider's base URL. query: the query that all URLs of the provider have ("?api-version=…"); ""
    = they have none. If there is a query and the base URL does not end in `/v1`, it is a dated version of
    Azure's API, in which `deployment` names the model.
    """
    if query and not base.rstrip("/").endswith("/v1"):
        return f"{base}/realtime{query}&deployment={{model}}"
    return f"{base}/realtime?model={{model}}{query.replace('?', '&', 1)}"


LIVE: Final = Live(
    paths=("/v1/realtime", "/realtime"),
    address=address,
    talk=RealtimeTalk,
    closed=closing,
    error=error_event,
    transcribing=transcribing,
    transcriber=transcriber,
)
