"""Reads the definition of a created model name: the system message, messages and parameters that the name
adds to its model.

https://docs.ollama.com/api/create, https://docs.ollama.com/modelfile
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama import DIALECT
from dragoman.dialects.ollama.options import check_options
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError
from dragoman.routing.route import Route

_SAME: Final = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
)
PARAMETERS: Final = {
    **{name: name for name in _SAME},
    "repeat_penalty": "repetition_penalty",
    "num_predict": "max_tokens",
}
"""For each supported parameter of Ollama, its name in a route's defaults; `num_ctx` (`_WINDOW`) is no
default.
"""
_WHOLE: Final = {"num_predict": 1, "seed": 0, "top_k": 0}
"""Those of `PARAMETERS` that are whole numbers, each with its minimum. A smaller value unsets the parameter.
"""
_WINDOW: Final = "num_ctx"
_QUESTION: Final = {"role": "user", "content": ""}


class Definition(msgspec.Struct, frozen=True):
    """What a created name adds to its model. defaults: values of parameters, by their names in a route's
    defaults; a value of None removes the model's own default. window: the most tokens of the context window;
    it has no effect if the model's own window is smaller; None = as for the model. system: the system
    message, "" = the model's own. opening: messages before those of each request, () = the model's own.
    notes: a text for the client about each parameter that is not supported.
    """

    defaults: dict[str, Any] = {}
    window: int | None = None
    system: str = ""
    opening: tuple[ir.Message, ...] = ()
    notes: tuple[str, ...] = ()

    def on(self, route: Route) -> Route:
        """Return a copy of the model's route with everything that this definition adds. Defaults, a system
        message and opening messages of the definition replace those of the route (defaults by their names); a
        default of None removes the route's.
        """
        defaults = {**route.defaults, **self.defaults}
        return msgspec.structs.replace(
            route,
            deployments=tuple(one.within(self.window) for one in route.deployments),
            defaults={name: value for name, value in defaults.items() if value is not None},
            system_prompt=self.system or route.system_prompt,
            opening=self.opening or route.opening,
        )

    def settings(self) -> dict[str, Any]:
        """Return this definition as settings of an alias, as JSON values; settings that the definition leaves
        to the model are left out. Raises WireError for a message that cannot be written in the form of the
        Chat Completions API.
        """
        stated = {
            "defaults": self.defaults,
            "context_window": self.window,
            "system_prompt": self.system,
            "messages": chat_messages(self.opening) if self.opening else [],
        }
        return {name: value for name, value in stated.items() if value}


def definition_of(body: Mapping[str, Any], system: str) -> Definition:
    """Return the definition that a body of `/api/create` states. body: the decoded body; only its fields
    `parameters` and `messages` are read. system: the system message, "" = none. Raises WireError for an
    invalid parameter or message.
    """
    defaults, window, notes = _parameters(body.get("parameters") or {})
    return Definition(defaults, window, system, _opening(body.get("messages") or []), tuple(notes))


def _parameters(parameters: Any) -> tuple[dict[str, Any], int | None, list[str]]:
    """Return the defaults (as in `Definition`), the size of the context window in tokens (None = not stated),
    and a text for each parameter that is not supported. A whole number that is smaller than its minimum
    (`_WHOLE`) becomes the default None, and the fraction of a whole number is dropped. parameters: the value
    of the field; null values in it are ignored. Raises WireError for an invalid value.
    """
    check_options(parameters, "parameters")
    defaults: dict[str, Any] = {}
    window: int | None = None
    notes: list[str] = []
    for name, value in parameters.items():
        if value is None:
            continue
        if name == _WINDOW:
            window = int(value)
            if window < 1:
                raise WireError(f'option "{name}" must be at least 1', f"parameters.{name}", "invalid_value")
        elif name not in PARAMETERS:
            notes.append(f"the parameter {name} is left out: only Ollama's own server supports it")
        elif name not in _WHOLE:
            defaults[PARAMETERS[name]] = value
        else:
            defaults[PARAMETERS[name]] = int(value) if value >= _WHOLE[name] else None
    return defaults, window, notes


def _opening(messages: Any) -> tuple[ir.Message, ...]:
    if not messages:
        return ()
    if type(messages) is list:
        messages = [*messages, _QUESTION]  # the check needs it; it is removed again below
    wire = WireRequest("chat", {"model": "any", "messages": messages})
    DIALECT.request.check(wire)
    decoded: ir.Request = DIALECT.request.decode(wire)
    return decoded.messages[:-1]


def chat_messages(opening: tuple[ir.Message, ...]) -> list[dict[str, Any]]:
    """Return these messages in the form of the Chat Completions API. Raises WireError if a part of a message
    cannot be written in this form.
    """
    report = Report(CHAT.name)
    question = ir.Message("user", (ir.Text("?"),))  # as in a request: a last answer would be a prefill
    request = ir.Request(dialect=DIALECT.name, model="any", messages=(*opening, question))
    written: list[dict[str, Any]] = CHAT.request.encode(request, Target(report, "any")).body["messages"]
    for loss in report.losses:
        text = f"a message of a name that is kept cannot have this: {loss.reason}"
        raise WireError(text, loss.path.removeprefix("$.").partition(".")[0], "unsupported_value")
    return written[:-1]
