"""What can go wrong, as one small tree.

A class exists only where somebody branches on it:

    DragomanError
    ├── WireError      the pure core: what is wrong with the bytes or values, and where. Blames nobody.
    ├── RequestFailed  an edge has decided whose fault it is; carries the `ir.Fault` that a face renders
    ├── CallFailed     `Gateway.ask` or `Gateway.stream` got an error for an answer
    └── ConfigError    the configuration cannot be used; carries every problem found

The inbound edge turns a WireError into the client's fault (400), the outbound edge into the
upstream's (502). Nothing else assigns blame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dragoman.ir.fault import Fault


class DragomanError(Exception):
    """Any error that Dragoman raises on purpose."""


class WireError(DragomanError):
    """Bytes or values that do not fit their protocol.

    message: one sentence for a person, without the path.
    path: where, in the notation of the protocol's own errors (`messages[0].content`), or "" for the whole.
    code: the machine-readable code that OpenAI's API uses for such a mistake, None where it has none.
    """

    def __init__(self, message: str, path: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.code = code

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class RequestFailed(DragomanError):
    """A request has ended in a fault that is known, classified and ready to be rendered."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class CallFailed(DragomanError):
    """A request of the program itself was answered with an error.

    status: the HTTP status, 200 where the error came inside a stream. error: the body, in the words of the
    protocol that was asked in.
    """

    def __init__(self, status: int, error: Any) -> None:
        super().__init__(_message(error) or f"The gateway answered with the status {status}.")
        self.status = status
        self.error = error


def _message(error: Any) -> str | None:
    """The sentence of an error, in any protocol's form."""
    stated = error.get("error", error) if isinstance(error, dict) else error
    found = stated.get("message") if isinstance(stated, dict) else stated
    return found if isinstance(found, str) else None


class Problem(NamedTuple):
    """One thing that is wrong with a configuration.

    path: the setting (`providers.openai.base_url`); line: 1-based in `file`, None when it came from
    elsewhere; hint: the next step in a few words, or None. A secret's value never appears.
    """

    path: str
    message: str
    file: str | None = None
    line: int | None = None
    hint: str | None = None

    def __str__(self) -> str:
        where = (
            f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        )
        name = f"{self.path}: " if self.path else ""
        return f"{where}{name}{self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(DragomanError):
    """A configuration that cannot be used; `problems` lists all that was found, in file order."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
