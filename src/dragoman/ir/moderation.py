"""The moderation operation: a request with inputs, and a response with one judgement on each input. An input
may consist of several texts and pictures.
"""

from __future__ import annotations

from dragoman.ir.blocks import Extra, Media, Text, Value
from dragoman.ir.usage import Usage


class ModerationRequest(Value, frozen=True):
    """The inputs to judge. Each input gets one judgement, also an input of several blocks.

    dialect: the protocol in which the client wrote the request. form: how the client wrote the inputs: "one"
    = a single text without a list, "parts" = one input, written as a list of blocks, None = a list of texts.
    """

    dialect: str
    model: str | None
    inputs: tuple[tuple[Text | Media, ...], ...]
    form: str | None = None
    extra: Extra = None


class Judgement(Value, frozen=True):
    """The judgement on one input. flagged: whether any category applies. categories: whether each category
    applies, by the provider's name of the category; a value of None = not stated. scores: how strongly each
    category applies, from 0 to 1. kinds: by category, the kinds of content ("text", "image") that were
    judged, None = not stated.
    """

    flagged: bool
    categories: dict[str, bool | None]
    scores: dict[str, float]
    kinds: dict[str, tuple[str, ...]] | None = None


class ModerationResponse(Value, frozen=True):
    """The judgements, in the order of the inputs. model, id, usage: as the upstream stated them, None = not
    stated.
    """

    judgements: tuple[Judgement, ...]
    model: str | None = None
    id: str | None = None
    usage: Usage | None = None
