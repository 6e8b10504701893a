"""The record of a vendor's own API for operations beside chat (speech, transcription), which does not belong
to a chat protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from dragoman import ir
from dragoman.dialects.operation import AnyProviderSide
from dragoman.dialects.request import Operation


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's own API for operations, beside or instead of a chat protocol.

    name: the service's name, as the vendor's row in `providers/vendors/` states it. title: its name in
    documentation. spec: the address of its specification. version: the version of the specification that was
    read, with the month. sides: operation -> how requests are written and responses read; they replace the
    sides of the vendor's chat protocol. decode_error: turns an error response (status, headers, body) into a
    fault. chats: whether the vendor also has the chat protocol of its row; False = the vendor has only the
    operations in `sides`.
    """

    name: str
    title: str
    spec: str
    version: str
    sides: Mapping[Operation, AnyProviderSide]
    decode_error: Callable[[int, Mapping[str, str], bytes], ir.Fault]
    chats: bool = True
