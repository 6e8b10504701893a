"""Decides the value of `strict` that is written for OpenAI. If the client speaks another protocol, its strict
schema may break OpenAI's rules for strict schemas; the schema is then not sent as strict.

Specification: https://platform.openai.com/docs/guides/structured-outputs
"""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.schema import strict_mistake


def strictness(output: ir.Output, report: Report, *, own: bool) -> bool | None:
    """Return the value of `strict` to write for a response schema. It is the client's value (None = not
    stated), with one exception: if the client did not write the schema in the dialect that is written
    (`own`), and its schema is strict but breaks OpenAI's rules for strict schemas, the result is None, and a
    change is reported. own: True = the client speaks the dialect that is written, and the gateway has not
    made the output settings itself (`request.MADE`).
    """
    if own or not output.strict or output.schema is None or strict_mistake(output.schema) is None:
        return output.strict
    report.change(
        "output.strict", "", "the provider does not enforce the schema: the gateway validates the response"
    )
    return None


def tool_strictness(tool: ir.Function, where: str, report: Report, *, own: bool) -> bool | None:
    """Return the value of `strict` to write for a tool. It is the client's value (None = not stated), with
    one exception: if the client speaks another dialect, and the tool is strict but its schema breaks OpenAI's
    rules for strict schemas, the result is False, and a loss is reported. own: True = the client speaks the
    dialect that is written. where: the tool's IR path.
    """
    if own or not tool.strict or tool.parameters is None or strict_mistake(tool.parameters) is None:
        return tool.strict
    report.lose(f"{where}.strict", "its schema does not follow OpenAI's rules for strict tools", "quality")
    return False
