"""Translates audio between OpenAI's chat and other dialects: completes a request for audio, and writes the
member `audio` of a response in the format that the client requested.

Models of other dialects often return raw samples. A whole response holds these as `pcm16` if the client asked
for this, else as a WAV file. A stream holds them as `pcm16`. No other format can be encoded here: if the
client asked for one, a loss is reported. Audio that is already a file is not changed.

A candidate has one audio: samples of the same type from several blocks are joined. If the upstream states no
id, the gateway makes one. If the upstream states no expiry date, it is the date of the response, so that the
audio counts as expired and no client refers to it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.terms import AUDIO_FORMATS
from dragoman.dialects.leftovers import lose_about
from dragoman.dialects.openai.speech import VOICES
from dragoman.dialects.openai.terms import restore
from dragoman.dialects.reply import Reply
from dragoman.wire.wav import Pcm, pcm_of, wav

_SAMPLES: Final = "pcm16"
_SPEAKING: Final = Pcm()
_UNIT: Final = 6
"""Bytes. `Joined` returns a multiple of this: of whole samples (2 bytes) and of base64 groups (3 bytes)."""
_UNIT_OF_TEXT: Final = 8


class Voice(NamedTuple):
    """The members of a candidate's `audio` that the gateway fills in. id, expires (Unix seconds): used if the
    upstream states none. format: the audio format that the client asked for; None = the client asked for
    none.
    """

    id: str
    format: str | None
    expires: int


def voice_of(reply: Reply, candidate: int) -> Voice:
    """Return the `Voice` of one candidate. For the same response it always has the same id. candidate: the
    candidate's index.
    """
    output = reply.request.output
    audio = output.audio if output is not None else None
    return Voice(
        f"audio_{reply.id.rpartition('-')[2]}_{candidate}",
        audio.get("format") if audio else None,
        reply.created,
    )


def has_sound(block: ir.Media, draft: Draft, where: str) -> bool:
    """Decide whether a response can hold this audio block. False = it cannot, because the block has only a
    URL or a file id; the block is reported as lost. True = it can; the block's name, context and permission
    to cite, which are not written, are reported as lost if they are stated. where: the block's IR path.
    """
    if block.data is None and (block.url is not None or block.file is not None):
        draft.report.lose(where, "a response can contain audio only as data")
        return False
    lose_about(block, draft.report, where)
    return True


VOICE: Final = "alloy"
"""The voice if a request of another dialect names none, or an unknown one."""


def speak(body: dict[str, Any], draft: Draft) -> None:
    """Complete another dialect's request for audio by changing `body` in place. The caller has checked that
    `modalities` in `body` names audio. OpenAI requires that text is requested together with audio, and
    requires a voice and a format; what is missing is added. A voice that OpenAI does not have is replaced,
    and reported as lost. Everything that is added is reported.
    """
    report = draft.report
    if "text" not in body["modalities"]:
        body["modalities"] = ["text", *body["modalities"]]
        report.change(
            "output.modalities", "modalities", "Chat Completions returns audio together with its text"
        )
    stated = {member: value for member, value in (body.get("audio") or {}).items() if value is not None}
    audio = body["audio"] = {"voice": VOICE, "format": _SAMPLES, **stated}
    voice = audio["voice"]
    if not stated:
        report.add("audio", "Chat Completions requires a voice and a format")
    else:
        for member in ("voice", "format"):
            if member not in stated:
                report.add(f"audio.{member}", f"Chat Completions requires a {member}")
    if isinstance(voice, str) and voice not in VOICES:
        report.lose(
            "output.audio.voice", f"Chat Completions has no voice {voice}: {VOICE} is used", "quality"
        )
        report.change("output.audio", "audio.voice", f"{VOICE} speaks")
        audio["voice"] = VOICE


def whole(sounds: Sequence[tuple[ir.Media, str]], voice: Voice, draft: Draft) -> dict[str, Any]:
    """Return the `audio` member of a message in a response that is not streamed. sounds: the audio blocks, at
    least one, each with its IR path.

    If the first block holds raw samples, samples of the same type in later blocks are joined to them. Every
    other block after the first is reported as lost. voice: the values that the gateway fills in.
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
    """Report the seal and the leftovers of another dialect's audio block, because they are not written.
    where: the block's IR path.
    """
    if block.sealed is not None:
        draft.leave_seal(where)
    restore({}, block.extra, draft.report, where)


def _formatted(data: str, mime: str | None, voice: Voice, draft: Draft, where: str) -> str:
    """Return the audio for the client, in base64. Raw samples become a WAV file, unless the client asked for
    "pcm16" or their base64 cannot be decoded; any other audio is not changed. If the audio does not have the
    requested format, a loss is reported.

    data: the audio in base64. mime: its media type; None = unknown, which counts as not raw samples. voice:
    states the requested format. where: the IR path of the audio, for the report.
    """
    asked = voice.format
    pcm = pcm_of(mime)
    if pcm is None or asked == _SAMPLES:
        note_format(mime, asked, draft, where)
        return data
    if asked not in {None, "wav"}:
        draft.report.lose(where, f"{asked} cannot be encoded: the audio is wav", "quality")
    try:
        return base64.b64encode(wav(base64.b64decode(data, validate=True), pcm)).decode()
    except binascii.Error:
        draft.report.lose(where, "the audio is not base64 and is passed on unchanged", "quality")
        return data


def note_format(mime: str | None, asked: str | None, draft: Draft, where: str) -> None:
    """Report a loss if audio does not have the requested format. Raw samples have the format "pcm16" only
    with 24,000 Hz and one channel. mime: the media type of the audio; None = unknown, so nothing is reported.
    asked: the requested format; None = the client asked for none, so nothing is reported. where: the IR path
    of the audio.
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
    """Makes the `audio` members in the stream deltas of one candidate. {} in place of a member means that
    there is nothing to send.

    Samples from several blocks of other dialects are joined into one audio; audio of this dialect is not
    changed. Blocks are named by their IR path (`where`).
    """

    __slots__ = ("_draft", "_expires", "_joined", "_mime", "_sent", "_voice")

    def __init__(self, voice: Voice, draft: Draft) -> None:
        self._voice = voice
        self._draft = draft
        self._mime: str | None = None
        self._expires = voice.expires
        self._joined = Joined()
        # The blocks of this audio, and what was sent of each: "data", "transcript".
        self._sent: dict[str, set[str]] = {}

    def open(self, block: ir.Media, where: str) -> dict[str, Any]:
        """Return the `audio` member for a block that opens. {} if there is nothing to send, or if the block
        cannot be sent: it has no data but a URL or a file id, or it cannot be joined to the audio of an
        earlier block. Such a block is reported as lost.
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
        self._sent[where] = _stated_by(block.data, block.transcript)
        lose_beside(block, self._draft, where)
        return audio

    def more(self, where: str, event: ir.MediaDelta) -> dict[str, Any]:
        """Return the `audio` member for a delta of the block at `where` (IR path). {} if there is nothing to
        send, or if the block is lost.
        """
        if self._draft.own:
            return stated(event.data, event.transcript, event.expires)
        if where not in self._sent:
            return {}
        self._sent[where] |= _stated_by(event.data, event.transcript)
        return self._add(event.data, event.transcript, event.expires)

    def complete(self, where: str, final: ir.Media) -> dict[str, Any]:
        """Return the `audio` member with the samples or the transcript of the block's Close event (`final`),
        as far as nothing of them was sent before. {} if there is nothing to send, if the block is lost, or if
        the response came in this dialect.
        """
        if (sent := self._sent.get(where)) is None:
            return {}
        data = None if "data" in sent else final.data
        transcript = None if "transcript" in sent else final.transcript
        return self._add(data, transcript, final.expires)

    def end(self) -> dict[str, Any]:
        """Return the last `audio` member of the candidate, with the remaining samples and the expiry date. {}
        if there was no audio, or if the response came in this dialect.
        """
        if not self._sent:
            return {}
        rest = self._joined.close()
        return {"data": rest, "expires_at": self._expires} if rest else {"expires_at": self._expires}

    def _begin(self, block: ir.Media, where: str) -> dict[str, Any]:
        """Return the first `audio` member of the candidate: the audio's id, which no later member repeats,
        and the transcript and the samples of this block that can be sent now.
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


def _stated_by(data: str | None, transcript: str | None) -> set[str]:
    """Return which of the names "data" and "transcript" have a value that is not empty."""
    return {name for name, value in (("data", data), ("transcript", transcript)) if value}


def stated(
    data: str | None, transcript: str | None, expires: int | None, name: str | None = None
) -> dict[str, Any]:
    """Return an `audio` member with these values, without those that are None. name: the audio's id. expires:
    Unix seconds.
    """
    members = {"id": name, "data": data, "transcript": transcript, "expires_at": expires}
    return {key: value for key, value in members.items() if value is not None}


class Joined:
    """Divides base64 into new pieces. It takes pieces that may end anywhere or have padding at their end, and
    returns pieces that any client can read.

    Some clients join the pieces and decode the whole; others decode and play each piece at once. So every
    returned piece, except the last, holds whole samples of two bytes and has no padding. Base64 that cannot
    be decoded is passed on unchanged.
    """

    __slots__ = ("_bytes", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._bytes = b""

    def feed(self, text: str) -> str:
        """Take the next piece. Returns the base64 that can be sent now; "" = none."""
        text = self._text + text
        plain = not (self._bytes or text.endswith("="))
        whole = len(text) - len(text) % (_UNIT_OF_TEXT if plain else 4)
        text, self._text = text[:whole], text[whole:]
        if plain:
            return text
        try:
            data = self._bytes + base64.b64decode(text, validate=True)
        except binascii.Error:
            text, self._bytes = base64.b64encode(self._bytes).decode() + text, b""
            return text
        ready = len(data) - len(data) % _UNIT
        self._bytes = data[ready:]
        return base64.b64encode(data[:ready]).decode()

    def close(self) -> str:
        """Return the base64 that has not been returned yet. Afterwards the pieces of another audio can be
        fed.
        """
        text, data = self._text, self._bytes
        self._text, self._bytes = "", b""
        try:
            return base64.b64encode(
                data + base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
            ).decode()
        except binascii.Error:
            return base64.b64encode(data).decode() + text
