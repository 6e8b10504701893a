"""The settings of fallbacks: the models that are asked when another one cannot answer."""

from __future__ import annotations

from typing import ClassVar

from dragoman.config.section import Section


class Fallbacks(Section, frozen=True):
    """Models to ask when this model cannot answer.

    Each entry is the name of a model or an alias, or `provider/model`. It stands for the deployments of that
    name, with their own timeouts, headers and body. The defaults, the system prompt, the strictness and the
    fallbacks of that name are not used; those of the model that was asked are.
    """

    shorthand: ClassVar[str | None] = "any"

    any: tuple[str, ...] = ()
    """Asked in this order when every deployment has failed, is at its rate limit, or cannot do what the
    request needs. The short form is this list alone."""
    context: tuple[str, ...] = ()
    """Asked when the prompt is too long for the model. Without this list the client gets the 400 at once."""
    content: tuple[str, ...] = ()
    """Asked when the provider's content policy refuses the request with an error. Without this list the
    client gets the 400 at once."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names in `any`, then those in `context`, then those in `content`, with repetitions."""
        return self.any + self.context + self.content
