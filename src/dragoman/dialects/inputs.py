"""Turns the inputs of an embedding request into texts, for providers that accept only texts. Pure.

Some frameworks send token ids of the requested model's public vocabulary (LangChain's `OpenAIEmbeddings` by
default). Such ids can be converted to text. Token ids of an unknown vocabulary have a meaning only for their
model, so the gateway refuses them instead of guessing their text.
"""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.errors import WireError
from dragoman.tokens import detokenized


def texts_of(request: ir.EmbedRequest, report: Report) -> list[str]:
    """Return one text for each input, in order. The texts of an input with several texts are joined by line
    breaks; token ids are converted to text. report: gets these changes, and losses. Raises WireError for
    token ids that cannot be converted.
    """
    return [_text(item, index, request.model, report) for index, item in enumerate(request.inputs)]


def _text(item: ir.Input, index: int, model: str | None, report: Report) -> str:
    if isinstance(item, ir.Tokens):
        return text_of(item, index, model, report, f"input[{index}]")
    if isinstance(item, ir.Parts):
        report.change(f"inputs[{index}]", f"input[{index}]", "its text parts are joined by line breaks")
        return "\n".join(item.texts)
    return item


def text_of(item: ir.Tokens, index: int, model: str | None, report: Report, to: str) -> str:
    """Return the text of one input that consists of token ids.

    index: the input's position in the request. model: the requested model's name, as the client wrote it; it
    decides the vocabulary (None = unknown). report: gets a change, and a loss if incomplete characters at the
    start or the end are left out. to: the JSON path of the text in the encoded body. Raises WireError if the
    model's vocabulary is not available or lacks one of the ids, or if the tokens are not valid text.
    """
    where = f"inputs[{index}]"
    try:
        read = detokenized(item.ids, model)
    except ValueError as error:
        raise WireError(f"These are not valid tokens of {model}: {error}.", where, "invalid_value") from None
    if read is None:
        message = "This model accepts strings, not tokens of another model's vocabulary."
        raise WireError(message, where, "unsupported_value")
    text, left = read
    report.change(where, to, f"tokens of {model} are sent as their text")
    if left:
        report.lose(where, f"{left} of its tokens at the ends are incomplete characters", "hint")
    return text
