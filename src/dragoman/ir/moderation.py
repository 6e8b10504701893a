"""Texts and pictures to be judged by a policy, and the judgements."""

from __future__ import annotations

from dragoman.ir.blocks import Extra, Media, Text, Value
from dragoman.ir.usage import Usage


class ModerationRequest(Value, frozen=True):
    """What is to be judged: each input gets one judgement. An input of several blocks is judged as a whole.

    dialect: the dialect that it was decoded from. form: how its client wrote the inputs, where there are
    several ways. extra: keys that no field names, by dialect.
    """

    dialect: str
    model: str | None
    inputs: tuple[tuple[Text | Media, ...], ...]
    form: str | None = None
    extra: Extra = None


class Judgement(Value, frozen=True):
    """flagged: whether any category applies. categories: whether each does, by the provider's names; scores:
    how much, 0 to 1; kinds: which kinds of input ("text", "image") each was judged by, None = not told.
    """

    flagged: bool
    categories: dict[str, bool | None]
    scores: dict[str, float]
    kinds: dict[str, tuple[str, ...]] | None = None


class ModerationResponse(Value, frozen=True):
    """The judgements, in the order of the inputs."""

    judgements: tuple[Judgement, ...]
    model: str | None = None
    id: str | None = None
    usage: Usage | None = None
