"""Audio of other dialects: how a request of theirs asks OpenAI's chat for it, and the `audio` member that
returns their models' audio in the format that the client asked for.

Models return raw samples. A whole response holds them as a WAV file or as `pcm16`; a stream is always
`pcm16`, as at OpenAI. This module cannot encode other formats: if the client asks for one, a whole response
has WAV, and a loss is reported. Audio that is already a file is not changed.

A response has one audio: samples of the same type from several blocks are joined. If the upstream made the id
of the audio, a client can use this id in a later request. If the gateway made it, the audio expires at the
response's own date, so it cannot be used.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.terms import AUDIO_FORMATS
from dragoman.dialects.openai.speech import VOICES
from dragoman.dialects.openai.terms import restore
from dragoman.dialects.reply import Reply
from dragoman.wire.wav import Pcm, pcm_of, wav

_SAMPLES: Final = "pcm16"
_SPEAKING: Final = Pcm()
_UNIT: Final = 6
"""`Joined` gives out a multiple of this many bytes: of whole samples (2) and of base64 groups (3)."""
_UNIT_OF_TEXT: Final = 8


class Voice(NamedTuple):
    """What the gateway states about a candidate's audio. id, expires (Unix seconds): used if the upstream
    states none. format: the audio format that the client asked for; None = it asked for none.
    """

    id: str
    format: str | None
    expires: int


def voice_of(reply: Reply, candidate: int) -> Voice:
    """The `Voice` of one candidate (its index). For the same response it always has the same id."""
    output = reply.request.output
    audio = output.audio if output is not None else None
    return Voice(
        f"audio_{reply.id.rpartition('-')[2]}_{candidate}",
        audio.get("format") if audio else None,
        reply.created,
    )


def has_sound(block: ir.Media, draft: Draft, where: str) -> bool:
    """Whether a response can hold this audio block. It cannot if the block has only a URL or a file id
    instead of data; then the block is reported as lost.
    """
    if block.data is None and (block.url is not None or block.file is not None):
        draft.report.lose(where, "a response can contain audio only as data")
        return False
    return True


VOICE: Final = "alloy"
"""The voice if a request of another dialect names none, or an unknown one."""


def speak(body: dict[str, Any], draft: Draft) -> None:
    """Complete another dialect's request for audio (`body`). OpenAI requires that text is requested together
    with audio, and a voice and a format; what is missing is added. A voice that OpenAI does not have is
    replaced.
    """
    report = draft.report
    if "text" not in body["modalities"]:
        body["modalities"] = ["text", *body["modalities"]]
        report.change(
            "output.modalities", "modalities", "Chat Completions returns audio together with its text"
        )
    stated = body.get("audio") or {}
    audio = body["audio"] = {"voice": VOICE, "format": _SAMPLES, **stated}
    voice = audio["voice"]
    if not stated:
        report.add("audio", "Chat Completions requires a voice and a format")
    elif isinstance(voice, str) and voice not in VOICES:
        report.lose(
            "output.audio.voice", f"Chat Completions has no voice {voice}: {VOICE} is used", "quality"
        )
        report.change("output.audio", "audio.voice", f"{VOICE} speaks")
        audio["voice"] = VOICE


def whole(sounds: Sequence[tuple[ir.Media, str]], voice: Voice, draft: Draft) -> dict[str, Any]:
    """The `audio` member of a whole message. sounds: the audio blocks, at least one, each with its IR path.

    Samples of the same type are joined into one audio. Other blocks after the first are reported as lost.
    """
    first, where = sounds[0]
    one = [(first, where)]
    for block, place in sounds[1:]:
        if block.mime == first.mime and pcm_of(block.mime) is not None:
            one.append((block, place))
        else:
            draft.report.lose(place, "a response can contain only one audio of one type")
    joined = Joined()
    data = "".join([joined.feed(block.data or "") for block, _ in one]) + joined.close()
    out: dict[str, Any] = {
        "id": first.id or voice.id,
        "data": _formatted(data, first.mime, voice, draft, where),
    }
    out["expires_at"] = voice.expires if first.expires is None else first.expires
    out["transcript"] = "".join([block.transcript or "" for block, _ in one])
    for block, place in one:
        if out["data"] != block.data:
            draft.report.change(
                place, "choices[].message.audio.data", "the samples are joined into one audio"
            )
        lose_beside(block, draft, place)
    return out


def lose_beside(block: ir.Media, draft: Draft, where: str) -> None:
    """Report an audio block's seal and leftovers, which are not written."""
    if block.sealed is not None:
        draft.leave_seal(where)
    restore({}, block.extra, draft.report, where)


def _formatted(data: str, mime: str | None, voice: Voice, draft: Draft, where: str) -> str:
    """The audio (`data` in base64, of the media type `mime`) for the client.

    Raw samples stay as they are if the client asked for "pcm16"; otherwise they become a WAV file, and any
    other wish is reported as lost. Audio that is no raw samples is not changed; a difference from the wish is
    reported.
    """
    asked = voice.format
    pcm = pcm_of(mime)
    if pcm is None or asked == _SAMPLES:
        note_format(mime, asked, draft, where)
        return data
    if asked not in {None, "wav"}:
        draft.report.lose(where, f"{asked} cannot be encoded: the audio is wav", "quality")
    try:
        return base64.b64encode(wav(base64.b64decode(data), pcm)).decode()
    except binascii.Error:
        draft.report.lose(where, "the audio is not base64 and is passed on unchanged", "quality")
        return data


def note_format(mime: str | None, asked: str | None, draft: Draft, where: str) -> None:
    """Report a loss if audio is not in the requested format. mime: the media type of the audio, which is not
    changed. asked: the requested format; None = the client asked for none.
    """
    pcm = pcm_of(mime)
    if asked == _SAMPLES and pcm is not None:
        if pcm != _SPEAKING:
            said = f"{pcm.rate} Hz and {pcm.channels} channel(s)"
            draft.report.lose(
                where, f"pcm16 means 24000 Hz and one channel; this audio has {said}", "quality"
            )
    elif asked is not None and mime is not None:
        bare = mime.partition(";")[0].strip().lower()
        if AUDIO_FORMATS.get(bare, bare.partition("/")[2]) != asked:
            draft.report.lose(where, f"the model returns {bare} audio, not {asked}", "quality")


class Spoken:
    """Makes the `audio` members in the stream deltas of one candidate. A member that is {} is not sent.

    Samples from several blocks of other dialects are joined into one audio; audio of this dialect is not
    changed. Blocks are named by their path in the IR (`where`).
    """

    __slots__ = ("_draft", "_expires", "_joined", "_mime", "_sent", "_voice")

    def __init__(self, voice: Voice, draft: Draft) -> None:
        self._voice = voice
        self._draft = draft
        self._mime: str | None = None
        self._expires = voice.expires
        self._joined = Joined()
        self._sent: dict[str, bool] = {}  # blocks of this audio, and whether samples were sent

    def open(self, block: ir.Media, where: str) -> dict[str, Any]:
        """The `audio` member for a block that opens. {} if the block is lost: it has only a URL or an id, or
        its type differs from that of the audio before it.
        """
        if self._draft.own:
            audio = stated(block.data, block.transcript, block.expires, block.id)
            restore(audio, block.extra, self._draft.report, where)
            return audio
        if not has_sound(block, self._draft, where):
            return {}
        if not self._sent:
            audio = self._begin(block, where)
        elif block.mime == self._mime and pcm_of(block.mime) is not None:
            audio = self._add(block.data, block.transcript, block.expires)
        else:
            self._draft.report.lose(where, "a response can contain only one audio of one type")
            return {}
        self._sent[where] = bool(block.data)
        lose_beside(block, self._draft, where)
        return audio

    def more(self, where: str, event: ir.MediaDelta) -> dict[str, Any]:
        """The `audio` member for a delta of the block at `where` (IR path). {} if that block is lost."""
        if self._draft.own:
            return stated(event.data, event.transcript, event.expires)
        if where not in self._sent:
            return {}
        self._sent[where] |= bool(event.data)
        return self._add(event.data, event.transcript, event.expires)

    def complete(self, where: str, final: ir.Media) -> dict[str, Any]:
        """The `audio` member for what only the closing event (`final`) of the block holds. {} if the block is
        lost or belongs to a response of this dialect.
        """
        if where not in self._sent:
            return {}
        sent = self._sent[where]
        return self._add(None if sent else final.data, None if sent else final.transcript, final.expires)

    def end(self) -> dict[str, Any]:
        """The last `audio` member of the candidate, with the remaining samples and the expiry date. {} if
        there was no audio, or if the response came in this dialect.
        """
        if not self._sent:
            return {}
        rest = self._joined.close()
        return {"data": rest, "expires_at": self._expires} if rest else {"expires_at": self._expires}

    def _begin(self, block: ir.Media, where: str) -> dict[str, Any]:
        """The first `audio` member of the candidate: the id, which only this member has, and what the block
        holds.
        """
        self._mime = block.mime
        asked = self._voice.format
        if asked not in {None, _SAMPLES}:
            self._draft.report.lose(where, f"streamed audio is pcm16, not {asked}", "quality")
        note_format(block.mime, _SAMPLES, self._draft, where)
        audio = {"id": block.id or self._voice.id, "transcript": block.transcript or ""}
        return {**audio, **self._add(block.data, None, block.expires)}

    def _add(self, data: str | None, transcript: str | None, expires: int | None) -> dict[str, Any]:
        if expires is not None:
            self._expires = expires
        audio: dict[str, Any] = {}
        if data and (ready := self._joined.feed(data)):
            audio["data"] = ready
        if transcript:
            audio["transcript"] = transcript
        return audio


def stated(
    data: str | None, transcript: str | None, expires: int | None, name: str | None = None
) -> dict[str, Any]:
    """An `audio` member with those of these values that are not None. name: the audio's id. expires: Unix
    seconds.
    """
    members = {"id": name, "data": data, "transcript": transcript, "expires_at": expires}
    return {key: value for key, value in members.items() if value is not None}


class Joined:
    """Makes base64 that any client can read from base64 pieces that end anywhere or have padding.

    Some clients join the pieces and decode the whole; others decode each piece, and play it at once. So every
    piece that this class returns, except the last, holds whole samples of two bytes and has no padding.
    Base64 that is invalid is passed on unchanged.
    """

    __slots__ = ("_bytes", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._bytes = b""

    def feed(self, text: str) -> str:
        """Take the next piece; returns the base64 that can be sent now, which may be empty."""
        text = self._text + text
        plain = not (self._bytes or text.endswith("="))
        whole = len(text) - len(text) % (_UNIT_OF_TEXT if plain else 4)
        text, self._text = text[:whole], text[whole:]
        if plain:
            return text
        try:
            data = self._bytes + base64.b64decode(text)
        except binascii.Error:
            return text
        ready = len(data) - len(data) % _UNIT
        self._bytes = data[ready:]
        return base64.b64encode(data[:ready]).decode()

    def close(self) -> str:
        """The base64 that is still held back. Afterwards the pieces of another audio can be fed."""
        text, data = self._text, self._bytes
        self._text, self._bytes = "", b""
        try:
            return base64.b64encode(data + base64.b64decode(text + "=" * (-len(text) % 4))).decode()
        except binascii.Error:
            return base64.b64encode(data).decode() + text
