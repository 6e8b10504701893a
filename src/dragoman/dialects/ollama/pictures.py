"""Writes the images in a model's answer as Markdown in the answer's text. Reads such Markdown again when a
client sends the answer back in its history.

Clients of this protocol accept no images in an answer: the official client for Python fails at `images`. So
an image in another dialect's answer becomes Markdown with a data URL or, if the image has no data, with the
image's URL. When a client sends such a data URL in Markdown back (`_PICTURE`), it becomes an image block of
the assistant again; Markdown with another URL stays text.

    ![image](data:image/png;base64,iVBORw0KGgo=)

`Media.form` keeps how the Markdown was written: `lead![alt](|)trail`. `lead` and `trail` are the white space
around it, and `|` stands for the URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from dragoman import ir

_HERE: Final = "](|)"
_LINK: Final = "](data:image/"
_PICTURE: Final = re.compile(
    r"!\[([^\[\]]{0,200})\]\(data:(image/[a-z0-9.+-]{1,40});base64,([A-Za-z0-9+/]+={0,2})\)"
)
_SPACE: Final = re.compile(r"\s*")
_PIECE: Final = 256 * 1024
"""The most characters of Markdown in one line of a stream, because some clients accept only lines up to half
a megabyte."""


def markdown(block: ir.Media, *, own: bool) -> str | None:
    """Return an image as Markdown, with its data or, without data, its URL; None = the image has neither.
    The alternative text is "image". own: True = the image came in this dialect; if it has a `Media.form`, the
    alternative text and the white space are those that its client wrote.
    """
    if block.data is None and block.url is None:
        return None
    address = block.url if block.data is None else f"data:{block.mime or 'image/png'};base64,{block.data}"
    lead, _, trail = ((own and block.form) or f"![image{_HERE}").partition(_HERE)
    return f"{lead}]({address}){trail}"


def pieces(text: str) -> Iterator[str]:
    """Yield pieces of the text, in order, each short enough for one line of a stream: at most 262,144
    characters (`_PIECE`). "" has no pieces.
    """
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]


def read(text: str) -> list[ir.Block]:
    """Split an assistant's text into blocks, in order. Images in Markdown with base64 data URLs (`_PICTURE`)
    become image blocks. The text before, between and after them becomes text blocks, without the white space
    around an image: that is kept in the image's `form`. A text without such an image is returned as one text
    block.
    """
    if _LINK not in text:
        return [ir.Text(text)]
    blocks: list[ir.Block] = []
    start = 0
    for found in _PICTURE.finditer(text):
        before = text[start : found.start()]
        words = before.rstrip()
        if words:
            blocks.append(ir.Text(words))
        end = found.end()
        space = _SPACE.match(text, end)
        start = end if space is None else space.end()
        form = f"{before[len(words) :]}![{found[1]}{_HERE}{text[end:start]}"
        blocks.append(ir.Media("image", found[2], found[3], form=form))
    if start < len(text):
        blocks.append(ir.Text(text[start:]))
    return blocks
