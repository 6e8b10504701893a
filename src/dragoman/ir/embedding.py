"""The embedding operation: a request with inputs, and a response with one vector for each input, in the same
order.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.usage import Usage


class Parts(Value, frozen=True):
    """One input that consists of several texts. It gets one vector for all of its texts together."""

    texts: tuple[str, ...]


class Tokens(Value, frozen=True):
    """One input as token ids. Only models with the same vocabulary can read them."""

    ids: tuple[int, ...]


Input: TypeAlias = str | Parts | Tokens


class EmbedRequest(Value, frozen=True):
    """A request for vectors.

    dialect: the protocol in which the client wrote the request. dimensions: how many numbers each vector has.
    encoding: how the client wants the vectors written: "float" = as lists of numbers, "base64". task: the
    purpose of the vectors, in lower case ("retrieval_query", "retrieval_document", "semantic_similarity",
    "classification", "clustering", "question_answering", "fact_verification", "code_retrieval_query"). title:
    the title of the document that the input comes from. user: the end user's id. truncate: True = an input
    that is too long is cut, False = it is refused. form: which of the dialect's forms the client used, in the
    dialect's own words (often "one" = a single input, not in a list); None = the usual form. Any other field
    that is None was not stated.
    """

    dialect: str
    model: str | None
    inputs: tuple[Input, ...]
    dimensions: int | None = None
    encoding: Literal["float", "base64"] | None = None
    task: str | None = None
    title: str | None = None
    user: str | None = None
    truncate: bool | None = None
    form: str | None = None
    extra: Extra = None


class EmbedResponse(Value, frozen=True):
    """The vectors, in the order of the inputs. Each vector is bytes: little-endian 32-bit floats. model, id,
    usage: as the upstream stated them, None = not stated.
    """

    vectors: tuple[bytes, ...]
    model: str | None = None
    usage: Usage | None = None
    id: str | None = None
