"""Deepgram's API: POST /speak and POST /listen. All options are in the query, and so is the model.

Specification: https://developers.deepgram.com/docs/models, and the client deepgram-python-sdk; read 2026-11.
Errors have one of two forms: https://developers.deepgram.com/reference/errors, read 2026-11. Deepgram has no
chat. Its WebSockets are not supported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from dragoman import ir
from dragoman.dialects.deepgram.speech import SPEECH
from dragoman.dialects.deepgram.transcription import TRANSCRIPTION
from dragoman.dialects.failure import read_body, retry_after
from dragoman.dialects.openai.errors import decode_fault
from dragoman.dialects.service import Service


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ir.Fault:
    """Return the fault of an error response, with the code and the message that the body states in either
    form. If the body shows no kind, the HTTP status decides it.
    """
    said = read_body(body, f"The provider answered with status {status}.")
    rest = said.rest
    message = rest.get("err_msg")
    if not isinstance(message, str) or not message:
        details = rest.get("details")
        message = f"{said.message}: {details}" if isinstance(details, str) and details else said.message
    code = rest.get("err_code") or rest.get("category")
    if isinstance(code, str):
        said = msgspec.structs.replace(said, code=code)
    return decode_fault("deepgram", said, message, status, retry_after(headers))


SERVICE: Final = Service(
    name="deepgram",
    title="Deepgram",
    spec="https://developers.deepgram.com/docs/models",
    version="2026-11",
    sides={"speech": SPEECH, "transcription": TRANSCRIPTION},
    decode_error=decode_error,
    chats=False,
)
