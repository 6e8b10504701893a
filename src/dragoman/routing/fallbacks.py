"""The lists of routes that a request turns to, in order, when its own route cannot answer.

`any` is used after every failure that might not occur at another deployment. `context` is used after a prompt
that is too long, `content` after a refusal by the provider's content policy. If the list for such a refusal
is empty, the refusal is sent to the client at once, because most models would repeat it. Pure.
"""

from __future__ import annotations

from typing import Final, Generic, Literal, TypeAlias, TypeVar, get_args

import msgspec

from dragoman import ir

R = TypeVar("R")
Why: TypeAlias = Literal["any", "context", "content"]
"""The name of a list in `Fallbacks`, by the failure after which the list is used."""


class Fallbacks(msgspec.Struct, Generic[R], frozen=True):
    """The three lists of fallbacks, each in the order of use. R: the type of a fallback: its name, as it is
    configured, or its route, as the table of names has it. () = there is no such list.
    """

    any: tuple[R, ...] = ()
    context: tuple[R, ...] = ()
    content: tuple[R, ...] = ()

    @property
    def stated(self) -> tuple[Why, ...]:
        """The names of the lists that are not empty."""
        return tuple(why for why in get_args(Why) if self.of(why))

    def of(self, why: Why) -> tuple[R, ...]:
        """Return the list with this name."""
        return self.any if why == "any" else self.context if why == "context" else self.content

    def after(self, why: Why) -> Fallbacks[R]:
        """Return the lists that are left when the first route of the list `why`, which must not be empty, has
        been used. The other routes of this list stay in it, and also become the list `any`: after a refusal,
        the routes of the former `any` would repeat it. The used route is removed from the other lists.
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
    """Return the name of the list for a fault: "context" for a prompt that is too long, "content" for a
    refusal by the content policy, "any" for all other faults. Whether a fallback is used after the fault at
    all is decided elsewhere.
    """
    if fault.kind == "context_length":
        return "context"
    return "content" if fault.kind == "content_policy" else "any"
