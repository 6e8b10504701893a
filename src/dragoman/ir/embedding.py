"""What a client asks for when it wants vectors, and what it gets: a vector for each input, in order."""

from __future__ import annotations

from typing import Literal, TypeAlias

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.usage import Usage


class Parts(Value, frozen=True):
    """One input that its client wrote in several pieces. It gets one vector."""

    texts: tuple[str, ...]


class Tokens(Value, frozen=True):
    """One input as ids of the model's own vocabulary, which no other model can read."""

    ids: tuple[int, ...]


Input: TypeAlias = str | Parts | Tokens


class EmbedRequest(Value, frozen=True):
    """A request for vectors.

    dialect: the dialect that it was decoded from. dimensions: the length wished for. encoding: how the client
    wants vectors written where its dialect has a choice, None = unstated. task: what they are for, in small
    letters ("retrieval_query", "retrieval_document", "semantic_similarity", "classification", "clustering",
    "question_answering", "fact_verification", "code_retrieval_query"). title: of the document. user: the end
    user's id. truncate: whether an input that is too long is cut; False = it is refused. form: which of the
    dialect's endpoints was asked. extra: keys that no field names, by dialect.
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
    """Vectors in the order of the inputs, each as little-endian 32-bit floats. model: the upstream's name."""

    vectors: tuple[bytes, ...]
    model: str | None = None
    usage: Usage | None = None
    id: str | None = None
