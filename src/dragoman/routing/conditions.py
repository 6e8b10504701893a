"""Conditions of deployments: which requests a deployment is for. Pure.

A request is described by its `Traits`. Conditions that need the decoded request are checked last, so that it
is decoded and counted only if no other condition decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from dragoman.accounts.grants import Grants
from dragoman.dialects.facts import Capability


class Traits(msgspec.Struct, frozen=True):
    """The facts about one request that conditions use.

    operation: "chat" for a count of a prompt's tokens, too. protocol: the client's dialect. client:
    the name of the client's key, None = it has no key. tags: the tags of the request. headers: by lower-case
    name. streamed: None = unknown, because only the prompt is counted. needs: returns the capabilities that
    the request needs. is_over: returns whether the prompt has more tokens than a number; its arguments are
    this number, and the name of the model for which the tokens are counted. A request without a prompt needs
    nothing and is never over. Both functions raise RequestFailed if the request cannot be decoded.
    """

    operation: str
    protocol: str
    client: str | None
    tags: Sequence[str]
    headers: Mapping[str, str]
    streamed: bool | None
    needs: Callable[[], Collection[Capability]]
    is_over: Callable[[int, str], bool]


class Unmet(NamedTuple):
    """A condition that does not hold. name: the name of its setting (`input_over`). stated: the value of the
    setting, as it is written in a configuration; of several headers, only the one that does not match.
    """

    name: str
    stated: str


class Conditions(msgspec.Struct, frozen=True):
    """The requests that a deployment is for: those for which all of these conditions hold.

    operations, protocols: the request must have one of these. needs: for each capability, True = the request
    must need it, False = it must not. stream: True = the answer must be streamed, False = it must not; a
    request with unknown `streamed` fulfils both. over: the prompt must have more tokens than this number.
    up_to: it must have at most so many. clients: the name of the client's key must be one of these; a client
    without a key is not. tags: at least one tag of the request must be one of these. without: no tag may be
    one of these. headers: for each name in lower case, the request must have this header, with one of these
    values. Each `Grants` is a set of names and patterns. None, () or {} = there is no such condition.
    """

    operations: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    clients: Grants | None = None
    tags: Grants | None = None
    without: Grants | None = None
    headers: dict[str, Grants] = {}
    stream: bool | None = None
    needs: dict[Capability, bool] = {}
    over: int | None = None
    up_to: int | None = None

    def unmet(self, traits: Traits, model: str) -> Unmet | None:
        """Return the first condition that does not hold for a request; None = all hold. model: the upstream's
        name of the model for which tokens are counted. Raises RequestFailed if the request has to be decoded
        for this and cannot be.
        """
        unmet = next(self._of_sender(traits), None)
        return next(self._of_request(traits, model), None) if unmet is None else unmet

    def _of_sender(self, traits: Traits) -> Iterator[Unmet]:
        """Yield the conditions on operation, protocol, client, tags and headers that do not hold."""
        if self.operations and traits.operation not in self.operations:
            yield Unmet("operations", _listed(self.operations))
        if self.protocols and traits.protocol not in self.protocols:
            yield Unmet("protocols", _listed(self.protocols))
        if self.clients is not None and (traits.client is None or traits.client not in self.clients):
            yield Unmet("clients", _listed(self.clients.entries))
        if self.tags is not None and not any(tag in self.tags for tag in traits.tags):
            yield Unmet("tags", _listed(self.tags.entries))
        if self.without is not None and any(tag in self.without for tag in traits.tags):
            yield Unmet("without_tags", _listed(self.without.entries))
        for name, wanted in self.headers.items():
            if (value := traits.headers.get(name)) is None or value not in wanted:
                yield Unmet("headers", f"{{{name}: {', '.join(sorted(wanted.entries))}}}")

    def _of_request(self, traits: Traits, model: str) -> Iterator[Unmet]:
        """Yield the conditions on the stream, the needed capabilities and the prompt's length that do not
        hold.
        """
        if self.stream is not None and traits.streamed is (not self.stream):
            yield Unmet("stream", _word(self.stream))
        if self.needs:
            needed = traits.needs()
            for name, wanted in self.needs.items():
                if (name in needed) is not wanted:
                    yield Unmet(name, _word(wanted))
        if self.over is not None and not traits.is_over(self.over, model):
            yield Unmet("input_over", str(self.over))
        if self.up_to is not None and traits.is_over(self.up_to, model):
            yield Unmet("input_up_to", str(self.up_to))


def for_operator(unmet: Unmet) -> str:
    """Return the reason why a deployment is left out, in the words of the configuration:
    "`when: {input_over: 1000}` does not hold".
    """
    return f"`when: {{{unmet.name}: {unmet.stated}}}` does not hold"


def for_client(unmet: Unmet) -> str:
    """Return words for the requests that a deployment is for ("requests with tools"), made from the condition
    that does not hold. The operator's names of clients, tags and headers are not told.
    """
    if (private := _PRIVATE.get(unmet.name)) is not None:
        return private
    if (phrase := _SIZES.get(unmet.name)) is not None:
        return phrase.format(unmet.stated.strip("[]"))
    return ("requests with " if unmet.stated == "true" else "requests without ") + _NEEDS[unmet.name]


_PRIVATE: Final = {
    "clients": "other clients",
    "tags": "other tags",
    "without_tags": "other tags",
    "headers": "other headers",
}
_SIZES: Final = {
    "input_over": "prompts of more than {} tokens",
    "input_up_to": "prompts of at most {} tokens",
    "protocols": "the protocols: {}",
    "operations": "the operations: {}",
}
_NEEDS: Final = {
    "tools": "tools",
    "images": "images",
    "audio": "audio",
    "documents": "documents",
    "structured": "a JSON schema for the answer",
    "reasoning": "reasoning",
    "stream": "streaming",
}


def _listed(names: Collection[str]) -> str:
    return f"[{', '.join(sorted(names))}]"


def _word(wanted: bool) -> str:  # noqa: FBT001 - the value of a setting
    return "true" if wanted else "false"
