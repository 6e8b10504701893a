"""Encodes errors as Azure OpenAI states them, for clients that call the gateway by Azure's paths
(`/openai/deployments/…`). Whether Azure is the provider does not matter.

Azure's error object has OpenAI's members, but other codes for some kinds of errors, and more about Azure's
content filter: https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter (read 2026-11).
The code of a deployment that does not exist: chatboxai/chatbox#646.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.dialect import ErrorCodec
from dragoman.dialects.openai.errors import decode_error, encode_answer, error_member
from dragoman.ir import STATUS, Fault, Kind

_CODES: Final[Mapping[Kind, str]] = {
    "authentication": "401",
    "content_policy": "content_filter",
    "model_not_found": "DeploymentNotFound",
    "rate_limit": "429",
}
"""Kind of fault -> Azure's code. Faults of other kinds keep OpenAI's code."""
_FILTERED: Final = {"code": "ResponsibleAIPolicyViolation"}
"""The value of `innererror` for refused content, if the provider's error has none, as at providers other than
Azure. It states no categories of content, because the provider stated none."""


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Return (status, extra headers, body) of an error response in Azure's form. The extra headers say when
    to retry, if the fault does, and the request's id. request_id: stands in the header `x-request-id` and in
    the body as `error_id`; None = the request has no id.
    """
    return encode_answer(fault, request_id, _member)


def _member(fault: Fault) -> dict[str, Any]:
    error = error_member(fault)
    if (code := _CODES.get(fault.kind)) is not None:
        error["code"] = code
    if fault.kind == "content_policy":
        error["status"] = STATUS[fault.kind]
        error.setdefault("innererror", _FILTERED)
    return error


ERRORS: Final = ErrorCodec(decode=decode_error, encode=encode_error)
