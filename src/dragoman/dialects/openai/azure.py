"""Errors as Azure OpenAI states them, for clients that call a deployment of Azure's.

Azure's error object has OpenAI's members, but codes of its own, and more about its content filter:
https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter (read 2026-11). The code of a
deployment that does not exist: chatboxai/chatbox#646.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman.dialects.dialect import Dialect
from dragoman.ir import Fault, Kind

_CODES: Final[Mapping[Kind, str]] = {
    "authentication": "401",
    "content_policy": "content_filter",
    "model_not_found": "DeploymentNotFound",
    "rate_limit": "429",
}
"""Azure's codes. Faults of other kinds keep OpenAI's."""
_FILTERED: Final = {"code": "ResponsibleAIPolicyViolation"}
"""The inner error if a provider other than Azure has refused the content: it states no categories."""


def with_azures_errors(dialect: Dialect) -> Dialect:
    """The same protocol, one of OpenAI's, in which errors have Azure's form."""
    encode = dialect.errors.encode

    def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = encode(fault, request_id)
        told: dict[str, Any] = msgspec.json.decode(body)
        told["error"].update(_members(fault, told["error"], status))
        return status, headers, msgspec.json.encode(told)

    errors = msgspec.structs.replace(dialect.errors, encode=encode_error)
    return msgspec.structs.replace(dialect, errors=errors)


def _members(fault: Fault, error: Mapping[str, Any], status: int) -> dict[str, Any]:
    """The members of an error object that differ from OpenAI's. error: in OpenAI's form."""
    code = _CODES.get(fault.kind)
    if code is None:
        return {}
    if fault.kind != "content_policy":
        return {"code": code}
    return {"code": code, "status": status, "innererror": error.get("innererror", _FILTERED)}
