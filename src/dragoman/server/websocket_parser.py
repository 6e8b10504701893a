"""The parser of a WebSocket's frames: that of the library `websockets`, which also counts the bytes of
messages and of control frames.

Control frames (ping, pong and close) may come between messages, and between the frames of one message
(RFC 6455, section 5.4). They are no part of a message.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from websockets.exceptions import InvalidHandshake
from websockets.frames import CTRL_OPCODES, Frame
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol


class WebSocketParser(ServerProtocol):
    """Parses the frames of a client. Bytes are counted as they came in: the heads of frames count, too.

    sizes: the bytes of each complete message that nobody has removed from `sizes`, oldest first. complete:
    one number: how many messages have come in completely, plus how many control frames between two messages.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sizes: deque[int] = deque()
        self.complete = 0
        self._fed = 0
        """How many bytes have come in, with the head of the handshake."""
        self._parsed = 0
        """How many of them belong to the handshake and to complete frames."""
        self._message = 0
        """Bytes of the complete frames of the message that is incomplete."""
        self._control = 0
        """Bytes of control frames since the last call of `take_control`."""

    @property
    def incomplete(self) -> int:
        """How many bytes have come in of the message that is incomplete (its complete frames and the last,
        incomplete frame), or of an incomplete control frame; 0 = nothing is incomplete.
        """
        return self._message + self._fed - self._parsed

    def take_control(self) -> int:
        """Return how many bytes of control frames have come in since the last call."""
        control, self._control = self._control, 0
        return control

    def receive_data(self, data: bytes | bytearray) -> None:
        self._fed += len(data)
        super().receive_data(data)

    def accept(self, request: Request) -> Response:
        """Return the answer to a handshake, as the library makes it, and begin to count: what has been parsed
        so far is the head of the handshake. Raises InvalidHandshake if the handshake is invalid; the library
        would return an HTTP error instead.
        """
        self._parsed = self._fed - len(self.reader.buffer)
        response = super().accept(request)
        if isinstance(self.handshake_exc, InvalidHandshake):
            raise self.handshake_exc
        return response

    def recv_frame(self, frame: Frame) -> None:
        """Count a frame that is complete, and hand it on to the library."""
        parsed = self._fed - len(self.reader.buffer)
        size, self._parsed = parsed - self._parsed, parsed
        if frame.opcode in CTRL_OPCODES:
            self._control += size
            self.complete += not self._message
        else:
            self._message += size
            if frame.fin:
                self.sizes.append(self._message)
                self._message = 0
                self.complete += 1
        super().recv_frame(frame)
