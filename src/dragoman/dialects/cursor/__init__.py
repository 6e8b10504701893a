"""Reads chat requests of Cursor that do not have chat's form; the answers have chat's form.

Cursor's backend calls a custom base URL at `/chat/completions` for every model. The model's name decides the
form of the body: like Responses (`input`), like chat with flat tools as in Responses, or like chat with tools
and blocks of Anthropic's Messages. The module `input` reads the first of these forms, `mixed` the two others.
None of this is documented; users reported it from recorded requests:

- bodies with `input`, flat tools, `content: []` beside calls: https://github.com/BerriAI/litellm/pull/34029,
  https://github.com/archestra-ai/archestra/pull/7375, https://github.com/router-for-me/CLIProxyAPI/pull/658;
- free-text calls are read only as `function` whose `arguments` are the text, any other form ends the turn:
  https://github.com/icebear0828/codex-proxy/issues/707;
- Anthropic's tools and blocks for models whose name has `claude-`: https://github.com/askalf/dario/pull/203.

A body is tried in these forms only after chat's check has refused it, so a normal chat request costs no more.
Such a request is always translated: no provider accepts it unchanged. Cursor is only a client, never a
provider.
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
    """Makes the two dialects, beside chat itself, in which Cursor writes chat requests. Answers in both have
    chat's form. chat, responses: the dialects of chat and of Responses, from which the two are made. blocks:
    checks and decodes Anthropic's content blocks.

    input: the dialect of requests like those of Responses. It has the name of Responses, so a provider that
    has both protocols gets the request in Responses. mixed: the dialect of requests like chat's that contain
    tools, content or a `system` in the form of other protocols. It has the name of chat.
    """

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
        """Return the dialect that may be able to read a body which chat has refused: `input` for a body with
        `input` and without messages, `mixed` for one that `is_mixed` recognises; None = any other body. The
        body was not checked: its members may have any shape.
        """
        if not body.get("messages") and body.get("input") is not None:
            return self.input
        return self.mixed if is_mixed(body) else None
