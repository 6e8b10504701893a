"""Vendors that offer speech and transcription, but no chat."""

from __future__ import annotations

from typing import Final

from dragoman.dialects.access import ModelList
from dragoman.providers.vendor import Vendor

SOUND: Final = (
    Vendor(
        name="deepgram",
        title="Deepgram",
        base_url="https://api.deepgram.com/v1",
        page="https://developers.deepgram.com/docs/models",
        serves=("speech", "transcription"),
        keys=("DEEPGRAM_API_KEY",),
        auth="token",  # https://developers.deepgram.com/docs/tts-encoding: `Authorization: Token KEY`
        # https://developers.deepgram.com/reference/manage/models/list: of a voice, `name` is only a part.
        listing=ModelList(member="stt", further=("tts",), name="canonical_name"),
        service="deepgram",
        models=("nova-*", "aura-*"),
        known=("aura-2-thalia-en", "nova-3"),
    ),
    Vendor(
        name="elevenlabs",
        title="ElevenLabs",
        base_url="https://api.elevenlabs.io/v1",
        page="https://github.com/elevenlabs/elevenlabs-python",
        serves=("speech", "transcription"),
        keys=("ELEVENLABS_API_KEY",),
        auth="xi-api-key",  # https://help.elevenlabs.io/hc/en-us/articles/19572237925521
        listing=ModelList(name="model_id"),  # an array: https://elevenlabs.io/docs/api-reference/models/list
        unlisted=("scribe_v2",),
        service="elevenlabs",
        models=("eleven_*", "scribe_*"),
        known=("eleven_multilingual_v2", "scribe_v2"),
    ),
)
"""The rows, in the order in which the documentation lists them."""
