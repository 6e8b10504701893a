"""Checks of a message's content (parts, embedded media) and of `images`, annotations and reasoning details.

Embedded media are checked, so a broken data URL is refused before any upstream is called. Parts of unknown
types are accepted. Content blocks of Anthropic's protocol are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dragoman.dialects.chat.check import check_image
from dragoman.dialects.rules import (
    Rule,
    a_string,
    an_address,
    an_object,
    data_or_address,
    empty_array,
    in_base64,
    integer,
    list_of,
    members,
    missing,
    require,
    wrong_type,
)
from dragoman.errors import WireError


def check_content(message: dict[str, Any], path: str, *, required: bool = True) -> None:
    """Check the `content` of the message at `path`: a text, a list of parts or, if not `required`, null or
    missing. Raises WireError for any other content, for a wrong part and, if `required`, for an empty list.
    An empty text is accepted.
    """
    content = message.get("content")
    if type(content) is str:
        return
    if content is None:
        if required:
            missing(f"{path}.content")
        return
    if type(content) is not list:
        wrong_type(f"{path}.content", "a string or an array of objects", content)
    if not content and required:
        empty_array(f"{path}.content")
    for index, part in enumerate(content):
        if type(part) is not dict:
            wrong_type(f"{path}.content[{index}]", "an object", part)
        kind = part.get("type")
        rule = _PARTS.get(kind, _unknown) if type(kind) is str else _unknown
        rule(part, f"{path}.content[{index}]")


def _text(part: dict[str, Any], path: str) -> None:
    if type(part.get("text")) is not str:
        require(part, "text", a_string, path)


def _refusal(part: dict[str, Any], path: str) -> None:
    require(part, "refusal", a_string, path)


def _audio(part: dict[str, Any], path: str) -> None:
    require(part, "input_audio", an_object, path)
    audio = part["input_audio"]
    require(audio, "format", a_string, f"{path}.input_audio")
    require(audio, "data", in_base64, f"{path}.input_audio")


def _file(part: dict[str, Any], path: str) -> None:
    require(part, "file", an_object, path)
    file = part["file"]
    _FILE(file, f"{path}.file")
    if file.get("file_data") is not None:
        data_or_address(file["file_data"], f"{path}.file.file_data")
    elif file.get("file_id") is None:
        missing(f"{path}.file.file_id")


_FILE: Final = members(file_id=a_string, filename=a_string)


def _by_url(name: str) -> Rule:
    """Make the rule for a vendor's part that has a URL in the object `name`, such as `{"image_url": {"url":
    …}}`. A data URL must be valid. A part of another shape is accepted.
    """

    def rule(part: dict[str, Any], path: str) -> None:
        if type(holder := part.get(name)) is dict and type(url := holder.get("url")) is str:
            an_address(url, f"{path}.{name}.url")

    return rule


def _block(part: dict[str, Any], path: str) -> None:
    """Raise WireError for a content block of Anthropic's protocol. Servers of this protocol ignore such a
    block, so its content would be lost.
    """
    raise WireError(
        f"Invalid value: '{part['type']}'. Calls stand in 'tool_calls', results in messages of role 'tool', "
        "pictures in parts of type 'image_url'.",
        f"{path}.type",
        "invalid_value",
    )


def _block_with(member: str, kind: type) -> Rule:
    """Make the rule for a part type that both Anthropic and vendors of this protocol use. A part whose
    `member` has the type `kind` is Anthropic's, and is refused. Any other part is accepted.
    """

    def rule(part: Any, path: str) -> None:
        if type(part.get(member)) is kind:
            _block(part, path)

    return rule


def _unknown(part: dict[str, Any], path: str) -> None:
    """Accept a part of a type that has no rule, because vendors have such types. Raises WireError if the
    part's `type` is missing or is not text.
    """
    require(part, "type", a_string, path)


check_images: Final = list_of(check_image)
check_annotations: Final = list_of(
    members(
        url_citation=members(
            url=a_string, title=a_string, content=a_string, start_index=integer(), end_index=integer()
        )
    )
)
check_details: Final = list_of(members(text=a_string, summary=a_string, signature=a_string, data=a_string))
_PARTS: Final[dict[Any, Callable[[dict[str, Any], str], None]]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": check_image,
    "input_audio": _audio,
    "file": _file,
    "video_url": _by_url("video_url"),
    "file_url": _by_url("file_url"),
    "pdf_url": _by_url("pdf_url"),
    "tool_use": _block,
    "tool_result": _block,
    "redacted_thinking": _block,
    "thinking": _block_with("thinking", str),
    "image": _block_with("source", dict),
    "document": _block_with("source", dict),
}
