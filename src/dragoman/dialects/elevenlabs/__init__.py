"""ElevenLabs' API: POST /text-to-speech/{voice_id}/stream and POST /speech-to-text.

Specification: the client https://github.com/elevenlabs/elevenlabs-python, read 2026-11. The body of an error
has an object `detail` with `status` (or `code`) and `message`:
https://help.elevenlabs.io/hc/en-us/articles/19572237925521, read 2026-11. ElevenLabs has no chat in a
protocol of this gateway. Its WebSockets are not supported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.elevenlabs.speech import SPEECH
from dragoman.dialects.elevenlabs.transcription import TRANSCRIPTION
from dragoman.dialects.failure import blame_of, read_body, retry_after
from dragoman.dialects.openai.errors import decode_fault
from dragoman.dialects.service import Service

_KINDS: Final[Mapping[str, ir.Kind]] = {
    "invalid_api_key": "authentication",
    "quota_exceeded": "quota",
    "voice_not_found": "not_found",
    "max_character_limit_exceeded": "too_large",
    "missing_permissions": "permission",  # of the key: elevenlabs/cli#126
    "output_format_not_allowed": "invalid_request",  # by the plan: elevenlabs/elevenlabs-js#153
}
"""`detail.status` or `detail.code` in an error body -> kind. The HTTP status alone may show another kind:
an exhausted quota is a 401."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ir.Fault:
    """Return the fault of an error response. The body's `detail.status` or, if that is missing or empty,
    `detail.code` becomes the fault's code if it is a text, and decides the kind if it is in `_KINDS`.
    """
    said = read_body(body, f"The provider answered with status {status}.")
    detail: Any = said.rest.get("detail")
    word = detail.get("status") or detail.get("code") if isinstance(detail, dict) else None
    if isinstance(word, str):
        said = msgspec.structs.replace(said, code=word)
    fault = decode_fault("elevenlabs", said, said.message, status, retry_after(headers))
    kind = _KINDS.get(word) if isinstance(word, str) else None
    if kind is None:
        return fault
    param = "voice" if word == "voice_not_found" else fault.param  # without it, a 404 says: no such endpoint
    return fault.changed(kind=kind, param=param, blame=blame_of(kind))


SERVICE: Final = Service(
    name="elevenlabs",
    title="ElevenLabs",
    spec="https://github.com/elevenlabs/elevenlabs-python",
    version="2026-11",
    sides={"speech": SPEECH, "transcription": TRANSCRIPTION},
    decode_error=decode_error,
    chats=False,
)
