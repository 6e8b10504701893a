"""The gateway's main exceptions. Other modules define further ones.

    DragomanError
    ├── WireError      the pure core: what is wrong with the bytes or values, and where. Blames nobody.
    ├── RequestFailed  a request failed for a known reason; carries the `ir.Fault` for the client
    ├── CallFailed     `Gateway.ask` or `Gateway.stream` could not send, or got an error or no answer
    └── ConfigError    the configuration cannot be used; carries every problem found

A WireError from a client's request becomes the client's fault (400; 413 if the request is too large), also
if the request is being encoded for a provider. A WireError from reading a provider's answer becomes the
upstream's fault (502).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dragoman.ir.fault import Fault
    from dragoman.ir.usage import Usage


class DragomanError(Exception):
    """The base class of all exceptions in this module, and of many others in this package. Some exceptions of
    the package do not derive from it.
    """


class WireError(DragomanError):
    """Bytes or values that do not fit their protocol. message: one sentence for a person, without the path.
    path: the place of the mistake, in the words of the protocol (`messages[0].content`), or a path in the IR
    if a request is being encoded for a provider; "" = no single place. code: the machine-readable code, as in
    `ir.Fault`; None = no code.
    """

    def __init__(self, message: str, path: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.code = code

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class RequestFailed(DragomanError):
    """A request has failed for a known reason. fault: the failure, from which the error for the client is
    written. usage: what the provider states to have used until the failure; None = not stated.
    """

    headers: Sequence[tuple[bytes, bytes]] = ()
    """Headers that the error answer gets in addition to those that are made from the fault."""

    def __init__(self, fault: Fault, usage: Usage | None = None) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.usage = usage


class CallFailed(DragomanError):
    """A request that this program sent to its own gateway (`Gateway.ask`, `Gateway.stream`) was answered with
    an error, or not at all. status: the HTTP status; 200 if the error came inside a stream, 503 if there was
    no answer or only its beginning, 400 if the path or a header cannot be sent. error: for an error answer,
    its body, decoded if it is JSON, else as text; for an error inside a stream, the decoded event; None =
    there was no answer; in the other cases, a text.
    """

    def __init__(self, status: int, error: Any) -> None:
        super().__init__(_message(error) or f"The gateway answered with the status {status}.")
        self.status = status
        self.error = error


def _message(error: Any) -> str | None:
    """Return the message in the body of an error answer; None = not found. error: the decoded body, or its
    text.
    """
    stated = error.get("error", error) if isinstance(error, dict) else error
    found = stated.get("message") if isinstance(stated, dict) else stated
    return found if isinstance(found, str) else None


_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_*-]+\Z", re.ASCII)


def setting_path(path: str, name: str) -> str:
    """Return the path of the setting `name` that stands below the setting `path` ("" = at the top). A name
    that has other characters than ASCII letters, digits, `_`, `-` and `*` is put in quotation marks:
    ("models", "gpt-4.1") → `models."gpt-4.1"`.
    """
    shown = name if _PLAIN_NAME.match(name) else '"' + name.replace('"', '\\"') + '"'
    return f"{path}.{shown}" if path else shown


def has_part(path: str, parts: Iterable[str]) -> bool:
    """Whether one of `parts` is `path`, or the path of a setting inside of it: `limits.day.requests` is
    inside of `limits.day`, and `limits.days.requests` is not.
    """
    inside = (f"{path}.", f"{path}[")
    return any(part == path or part.startswith(inside) for part in parts)


class Problem(NamedTuple):
    """One mistake in a configuration, or one setting that is unusual but usable. No field may contain a
    secret. path: the setting (`providers.openai.base_url`); "" = the problem belongs to no setting. file:
    None = not known, or no file. line: the line in `file`, counted from 1; None = not known. hint: how to
    correct the mistake, in a few words; None = no hint.
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
    """A configuration that cannot be used. problems: the mistakes that were found; the text of the exception
    states each. warnings: settings that are unusual but usable; they are not in the text.
    """

    def __init__(self, *problems: Problem, warnings: Sequence[Problem] = ()) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.warnings = tuple(warnings)
