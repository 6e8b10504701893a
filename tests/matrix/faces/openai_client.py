"""OpenAI's official client, which speaks three of the faces; its errors as values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import openai
from openai import AsyncOpenAI

from tests.matrix.asked import Fields
from tests.matrix.faces.face import PATIENCE, Ask
from tests.matrix.heard import Heard, Spent
from tests.matrix.permitted import Refused

WITH_USAGE: Fields = {"stream_options": {"include_usage": True}}


def opened(base: str) -> AbstractAsyncContextManager[AsyncOpenAI]:
    """The client of a gateway at this origin."""
    return AsyncOpenAI(base_url=f"{base}/v1", api_key="any", max_retries=0, timeout=PATIENCE)


def judged(ask: Callable[[AsyncOpenAI, Fields], Awaitable[Heard]]) -> Ask:
    """The same, with errors as values."""

    async def asked(client: AsyncOpenAI, fields: Fields) -> Heard | Refused:
        try:
            return await ask(client, fields)
        except openai.APIStatusError as error:
            return Refused(error.status_code, error.code, error.param)

    return asked


def refused(message: Any) -> Refused:
    """An error as a WebSocket tells it."""
    error = message["error"]
    return Refused(message["status"], error["code"], error["param"])


def spent(usage: Any) -> Spent | None:
    """The usage of a chat completion, or of a legacy one."""
    if usage is None:
        return None
    read, said = usage.prompt_tokens_details, usage.completion_tokens_details
    return Spent(
        input=usage.prompt_tokens,
        cached=(read.cached_tokens or 0) if read else 0,
        output=usage.completion_tokens,
        thought=(said.reasoning_tokens or 0) if said else 0,
        total=usage.total_tokens,
    )
