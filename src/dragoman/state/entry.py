"""Makes an entry of the seal vault from the parts of an answer that its client cannot send back, and the keys
of the entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from dragoman import ir
from dragoman.state.marks import Marks, Scope, client_calls, has_random_id, is_client_call, joined_text


class Piece(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One block of an answer in the form in which the vault stores it. Blocks of the kinds "thinking" and
    "native" are stored completely. Of other blocks, only the digest is stored, and the seal if the block has
    one.

    digest: the digest of the block's content; b"" for the two kinds that are stored completely. size: the
    number of characters of a text, else 0. native: a block of the provider's own tools, in JSON of the
    protocol that the answer came in. bare: the digest of a call without its id, for clients that drop ids;
    b"" = the block is not a call.
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
        """The stored block; None = only its digest is stored."""
        return self.native if self.thinking is None else self.thinking

    @property
    def matters(self) -> bool:
        """Whether the provider needs this piece back: the piece has a seal, or is stored completely."""
        return self.sealed is not None or self.whole is not None


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """The content of a vault entry, for one answer. scope: the provider and model that answered. pieces: the
    answer's blocks, in order. before: the digest of the conversation before the answer. Equal answers in
    different conversations have different entries, because `before` differs.
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
    a block of the provider's own tools (`is_provided`), if `native` is not None. This is a fast check before
    `entry` is called; the parameters are those of `entry`.
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
    """Return the keys and the encoded content of the vault entry for an answer. None = no entry is needed,
    because no block has a seal or must be stored completely, or because the answer has only thinking or empty
    texts.

    blocks: the answer, as the client sees it. before: the digest of the conversation before the answer.
    scope: the provider and model that answered. unsealed: True = thinking without a seal is stored too.
    native: returns a call or result of the provider's own tools in JSON of the answer's protocol; None =
    these blocks are not stored.
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
