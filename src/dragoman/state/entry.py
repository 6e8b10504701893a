"""Makes the entries of the seal vault and their keys. An entry stores the parts of one answer that its client
cannot send back: thinking, seals, and blocks of the provider's own tools. Of the other blocks of the answer
it does not store the content, but digests and the lengths of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from dragoman import ir
from dragoman.state.marks import Marks, Scope, client_calls, has_random_id, is_client_call, joined_text


class Piece(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One block of an answer in the form in which the vault stores it. Blocks of the kinds "thinking" and
    "native" are stored completely. Of other blocks, the content is not stored, only what the fields below
    say.

    digest: the digest of the block's content; b"" for the two kinds that are stored completely. size: the
    number of characters of a text, else 0. sealed: the block's seal; None for the two kinds that are stored
    completely, because `thinking` and `native` contain their seals. native: a block of the provider's own
    tools, as the protocol of the answer writes it in later requests. bare: the digest of a call without its
    id, for clients that drop ids; b"" = the block is not a call.
    """

    kind: Literal["thinking", "text", "call", "media", "native"]
    digest: bytes = b""
    size: int = 0
    sealed: ir.Sealed | None = None
    thinking: ir.Thinking | None = None
    native: ir.Native | None = None
    bare: bytes = b""

    @property
    def whole(self) -> ir.Block | None:
        """The stored block; None = the block is not stored completely."""
        return self.native if self.thinking is None else self.thinking

    @property
    def matters(self) -> bool:
        """Whether the provider needs this piece back: the piece has a seal, or is stored completely."""
        return self.sealed is not None or self.whole is not None


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """The content of a vault entry, for one answer. scope: the provider and model that answered. pieces: the
    answer's blocks, in order; blocks of which nothing is stored are missing (refusals, for example). before:
    the digest of the conversation before the answer. Equal answers to conversations with different digests
    have different entries.
    """

    scope: Scope
    pieces: tuple[Piece, ...]
    before: bytes


_pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Kept).decode


def matters(
    blocks: Sequence[ir.Block],
    *,
    unsealed: bool = False,
    native: Callable[[ir.Block], ir.Native] | None = None,
) -> bool:
    """Return whether an answer may need a vault entry: it has a seal; or thinking, if `unsealed` is True; or
    a block for which `is_provided` is True, if `native` is not None. This is a fast check before `entry` is
    called with the same values; `native` is not called here.
    """
    for block in blocks:
        if type(block) is ir.Text:  # first, as most blocks are texts
            if block.sealed is not None:
                return True
        elif isinstance(block, ir.Thinking):
            if block.sealed is not None or unsealed:
                return True
        elif getattr(block, "sealed", None) is not None or (native is not None and is_provided(block)):
            return True
    return False


def entry(
    blocks: Sequence[ir.Block],
    before: bytes,
    scope: Scope,
    marks: Marks,
    *,
    unsealed: bool = False,
    native: Callable[[ir.Block], ir.Native] | None = None,
) -> tuple[list[bytes], bytes] | None:
    """Return the keys of the vault entry for an answer, and its content (a `Kept`) as bytes, which `unpack`
    reads. None = no entry is needed: no `Piece` of the answer matters (`Piece.matters`), or all of them are
    thinking or empty texts.

    blocks: the answer, as the client sees it. before: the digest of the conversation before the answer.
    scope: the provider and model that answered. marks: makes the client's keys and digests. unsealed: True =
    thinking without a seal is stored too, if it has a text or a summary. native: turns a block for which
    `is_provided` is True into the block that a later request in the answer's protocol repeats; None = these
    blocks are not stored.
    """
    pieces = [piece for block in blocks if (piece := _piece(block, marks, native, unsealed=unsealed))]
    says = any(piece.kind in {"call", "media", "native"} or piece.size for piece in pieces)
    if not says or not any(piece.matters for piece in pieces):
        return None  # providers refuse a message that holds only thinking
    calls = client_calls(blocks)
    keys, by_id = marks.call_keys(calls, map(marks.call_digest, calls), before)
    if calls:
        bare = _bare(calls[0])
        own = has_random_id(calls[0])
        shared = [marks.call_key(before, bare, marks.call_digest(bare)), *([] if own else keys[:1])]
    else:
        shared = [marks.text_key(before, joined_text(blocks))]
    keys += [*by_id, *shared, *(marks.scope_key(key, scope) for key in shared)]
    keys += [piece.digest for piece in pieces if piece.kind == "media" and piece.sealed is not None]
    return keys, _pack(Kept(scope, tuple(pieces), before))


def _piece(
    block: ir.Block, marks: Marks, native: Callable[[ir.Block], ir.Native] | None, *, unsealed: bool
) -> Piece | None:
    if isinstance(block, ir.Thinking):
        worth = block.sealed is not None or (unsealed and bool(block.text or block.summary))
        return Piece("thinking", thinking=block) if worth else None
    if isinstance(block, ir.Text):
        return Piece("text", marks.block_digest(block), len(block.text), block.sealed)
    if is_client_call(block):
        bare = marks.call_digest(_bare(block))
        return Piece("call", marks.call_digest(block), sealed=block.sealed, bare=bare)
    if isinstance(block, ir.Media):
        return Piece("media", marks.block_digest(block), sealed=block.sealed)
    if native is not None and is_provided(block):
        return Piece("native", native=native(block))
    return None


def _bare(call: ir.ToolCall) -> ir.ToolCall:
    """Return a copy of the call without its id. Clients of Ollama, and some clients of Gemini, drop ids."""
    return msgspec.structs.replace(call, id=None)


def is_provided(block: ir.Block) -> bool:
    """Return whether the block is a call or a result of a tool that the provider itself runs, or an
    `ir.Native` block.
    """
    if type(block) is ir.ToolCall or type(block) is ir.ToolResult:
        return block.by == "provider"
    return type(block) is ir.Native
