"""xAI's own API for sound: POST /tts and POST /stt. xAI's chat has OpenAI's protocol.

Specification: https://docs.x.ai/developers/model-capabilities/audio/text-to-speech and
https://docs.x.ai/developers/model-capabilities/audio/speech-to-text, read 2026-11; and recorded requests of
August 2026. The WebSockets of this API are not supported here.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.openai.errors import decode_error
from dragoman.dialects.service import Service
from dragoman.dialects.xai.speech import SPEECH
from dragoman.dialects.xai.transcription import TRANSCRIPTION

SERVICE: Final = Service(
    name="xai",
    title="xAI's sound",
    spec="https://docs.x.ai/developers/model-capabilities/audio/text-to-speech",
    version="2026-11",
    sides={"speech": SPEECH, "transcription": TRANSCRIPTION},
    decode_error=decode_error,
)
