"""A vendor's own API for operations beside chat, which no chat protocol has: speech, transcription."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from dragoman import ir
from dragoman.dialects.operation import AnyProviderSide
from dragoman.dialects.request import Operation


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor offers in an API of its own beside its chat protocol, or instead of one.

    name: its name in a vendor's row. title: its name in documentation. spec: the address of the
    specification. version: what was read of it, with the month. sides: operation -> how its requests are
    written and its responses read; they replace those of the chat protocol. decode_error: turns an error
    response (status, headers, body) into a fault. chats: whether the vendor also has the chat protocol of its
    row; False = it has nothing but `sides`.
    """

    name: str
    title: str
    spec: str
    version: str
    sides: Mapping[Operation, AnyProviderSide]
    decode_error: Callable[[int, Mapping[str, str], bytes], ir.Fault]
    chats: bool = True
