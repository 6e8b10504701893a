"""What the official client was told through any face, whole or in pieces, as one value."""

from __future__ import annotations

from base64 import b64encode

import msgspec


class Choice(msgspec.Struct):
    """One candidate. calls: id, name, arguments. tokens: with the number of alternatives of each.

    pieces: in how many the text came. finish: "stop", "length", "tool_calls".
    """

    text: str = ""
    pieces: int = 0
    reasoning: str = ""
    calls: list[list[str]] = []
    images: list[str] = []
    sound: bytes = b""
    transcript: str = ""
    tokens: list[tuple[str, int]] = []
    finish: str | None = None

    def say(self, text: str | None) -> None:
        """More of its text."""
        self.text += text or ""
        self.pieces += bool(text)

    def draw(self, mime: str, file: bytes) -> None:
        """A picture."""
        self.images.append(f"data:{mime};base64,{b64encode(file).decode()}")


class Spent(msgspec.Struct, frozen=True):
    """The usage, in tokens. cached: a part of input; thought: of output, None = not told by this protocol."""

    input: int
    cached: int
    output: int
    thought: int | None
    total: int


class Heard(msgspec.Struct):
    """A whole answer: its candidates and its usage. id: by which it can be continued, where there is one.

    lost: whether something of the request was. free: whether the model was free not to call a tool.
    """

    choices: list[Choice]
    usage: Spent | None
    id: str = ""
    lost: bool = False
    free: bool = False

    @property
    def first(self) -> Choice:
        return self.choices[0]
