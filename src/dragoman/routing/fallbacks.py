"""The lists of routes that a request turns to, in order, when its own route cannot answer.

`any` follows every failure that another deployment may not have. `context` follows a prompt that is too long,
`content` a refusal by the provider's content policy; without these lists such a refusal is told at once,
because most models would repeat it. Pure.
"""

from __future__ import annotations

from typing import Final, Generic, Literal, TypeAlias, TypeVar, get_args

import msgspec

from dragoman import ir

R = TypeVar("R")
Why: TypeAlias = Literal["any", "context", "content"]
"""Which list follows a failure."""


class Fallbacks(msgspec.Struct, Generic[R], frozen=True):
    """The three lists: names in the configuration, routes in the table of names. () = there is no list."""

    any: tuple[R, ...] = ()
    context: tuple[R, ...] = ()
    content: tuple[R, ...] = ()

    @property
    def stated(self) -> tuple[Why, ...]:
        """The lists that there are."""
        return tuple(why for why in get_args(Why) if self.of(why))

    def of(self, why: Why) -> tuple[R, ...]:
        """The list that follows a failure."""
        return self.any if why == "any" else self.context if why == "context" else self.content

    def after(self, why: Why) -> Fallbacks[R]:
        """The lists that are left when the first route of the list `why` is used. After a refusal, only the
        rest of its own list follows any further failure, because the other routes would repeat the refusal.
        """
        chosen, *rest = self.of(why)
        left = tuple(rest)

        def without(listed: tuple[R, ...]) -> tuple[R, ...]:
            return tuple(one for one in listed if one is not chosen)

        return Fallbacks(
            any=left,
            context=left if why == "context" else without(self.context),
            content=left if why == "content" else without(self.content),
        )


NONE: Final[Fallbacks[str]] = Fallbacks()


def why_of(fault: ir.Fault) -> Why:
    """The list that follows a fault."""
    if fault.kind == "context_length":
        return "context"
    return "content" if fault.kind == "content_policy" else "any"
