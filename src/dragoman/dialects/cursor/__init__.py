"""What Cursor writes where chat completions are asked: two more ways to say a request, answered by chat's.

Its backend asks a base URL of one's own at `/chat/completions` whatever the model is, and writes the body
after the model's name: like the Responses API (`input`), like chat with single tools that are flat as in the
Responses API, or like chat with the tools and blocks of Anthropic's Messages. Nothing of this is documented;
it was reported by those who recorded it:

- bodies with `input`, flat tools, `content: []` beside calls: https://github.com/BerriAI/litellm/pull/34029,
  https://github.com/archestra-ai/archestra/pull/7375, https://github.com/router-for-me/CLIProxyAPI/pull/658;
- calls of free-text tools are read as `function` whose `arguments` are the text, anything else ends the
  client's turn: https://github.com/icebear0828/codex-proxy/issues/707;
- Anthropic's tools and blocks for models whose name has `claude-`: https://github.com/askalf/dario/pull/203.

A body is read so only after chat has refused it, so that a request of chat's own costs nothing more. What is
read so is always translated: no provider takes it as it is. Cursor is a face only, never a provider.

Files: here, which body is what · input (bodies like Responses) · mixed (chat with pieces of others) · calls
(free-text calls in the history).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from dragoman.dialects.cursor.input import Input
from dragoman.dialects.cursor.mixed import Blocks, Mixed, is_mixed
from dragoman.dialects.dialect import Dialect

__all__ = ["Blocks", "Cursor"]


class Cursor:
    """The two faces. input: asked like Responses, answered like chat. mixed: asked like chat with pieces of
    other protocols, answered like chat.

    The name of `input` is whose requests it has: a provider that speaks both is asked in Responses.
    """

    __slots__ = ("input", "mixed")

    def __init__(self, chat: Dialect, responses: Dialect, blocks: Blocks) -> None:
        asked, pieces = Input(responses), Mixed(chat, blocks)
        self.input = replace(
            chat,
            name=responses.name,
            request=replace(
                chat.request,
                members=responses.request.members,
                check=asked.check,
                decode=asked.decode_request,
                brief=asked.brief,
                locate=responses.request.locate,
                locate_in=asked.place,
                check_portable=responses.request.check_portable,
            ),
        )
        self.mixed = replace(
            chat,
            request=replace(
                chat.request,
                members=chat.request.members | {"system"},
                check=pieces.check,
                decode=pieces.decode_request,
                brief=pieces.brief,
                locate_in=pieces.place,
            ),
        )

    def reading(self, body: Mapping[str, Any]) -> Dialect | None:
        """How a body is to be read that is no request of chat's; None = it is simply wrong."""
        if not body.get("messages") and body.get("input") is not None:
            return self.input
        return self.mixed if is_mixed(body) else None
