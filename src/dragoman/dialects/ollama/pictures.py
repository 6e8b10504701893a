"""Pictures that a model drew, as Markdown in the text of an assistant's message.

An answer of this protocol has no member for them that its clients take: the official one for Python fails at
`images` in an answer. So they are told as Markdown with a data URL, which every client can read, and which
those that show Markdown show. What a client sends back so is the assistant's picture again.

    ![image](data:image/png;base64,iVBORw0KGgo=)

`Media.form` is the Markdown round the address, with the white space round it: `lead![alt](|)trail`.
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
"""Characters of one line of a stream: some clients take no longer ones than half a megabyte."""


def markdown(block: ir.Media, *, own: bool) -> str | None:
    """A picture as Markdown; None for one that has neither bytes nor an address. own: it was read here."""
    if block.data is None and block.url is None:
        return None
    address = block.url if block.data is None else f"data:{block.mime or 'image/png'};base64,{block.data}"
    lead, _, trail = ((own and block.form) or f"![image{_HERE}").partition(_HERE)
    return f"{lead}]({address}){trail}"


def pieces(text: str) -> Iterator[str]:
    """A text that one line of a stream may be too short for."""
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]


def read(text: str) -> list[ir.Block]:
    """The words and the pictures of an assistant's text, in their order. Costs one pass."""
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
