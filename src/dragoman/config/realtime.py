"""The limits of realtime sessions."""

from __future__ import annotations

from dragoman.config.scalars import Duration, Size
from dragoman.config.section import Section


class Realtime(Section, frozen=True):
    """Limits of realtime sessions: `/v1/realtime` and Gemini's Live API ([realtime](realtime.md)).

    Both are WebSockets.
    """

    max_time: Duration = Duration(3600)
    """How long a session may last. Then it is ended with an error. 0 = no limit; OpenAI ends its sessions
    after an hour."""
    opening: Duration = Duration(30)
    """How long a provider may take to open a session, until its first message. Then another deployment is
    tried, as after a timeout of a request. 0 = no limit but `timeouts`."""
    idle: Duration = Duration(900)
    """How long neither side of a session may send a message. 0 = no limit."""
    max_message: Size = Size(16 * 1024 * 1024)
    """The largest message of a provider. `server.max_body` limits those of clients."""
