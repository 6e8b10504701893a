"""Patterns: names of models with one `*`, which stand for many names (`gpt-*`, `openai/*`).

    pattern    deployment             asked             upstream model
    openai/*   azure/*                openai/gpt-5      gpt-5
    gpt-*      azure/*                gpt-5             gpt-5
    claude-*   bedrock/anthropic.*    claude-opus-5     anthropic.opus-5
    team/*     mine/qwen3             team/whatever     qwen3

The deployment `provider/*` calls the model by the name that the client asked for; if the pattern has a slash
before its `*`, the part of the name up to the last such slash is left out. In any other deployment, `*` is
replaced by the text that the pattern's `*` has matched. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

WILDCARD = "*"


class Pattern(msgspec.Struct, frozen=True):
    """A name with one `*`. before: the text before the `*`. after: the text after it."""

    before: str
    after: str

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Return the pattern that `text` states. `is_pattern(text)` must be true."""
        before, _, after = text.partition(WILDCARD)
        return cls(before, after)

    @property
    def weight(self) -> int:
        """The number of characters in the pattern besides the `*`. Of several patterns that match a name, the
        pattern with the greatest weight is used.
        """
        return len(self.before) + len(self.after)

    def matched(self, name: str) -> str | None:
        """Return the text of `name` that the `*` stands for, at least one character; None = the name does not
        match. A pattern without a slash does not match a name with a slash, because the part of the name
        before the slash is a provider.
        """
        if len(name) <= self.weight or not (name.startswith(self.before) and name.endswith(self.after)):
            return None
        if "/" in name and "/" not in self.before and "/" not in self.after:
            return None
        return name[len(self.before) : len(name) - len(self.after)]

    def upstream(self, use: str, name: str, matched: str) -> str:
        """Return the deployment `provider/model` to call for `name`, the name that the client asked for. use:
        the configured deployment, perhaps with a `*` (`azure/*`). matched: what the method `matched` returned
        for `name`.
        """
        provider, _, model = use.partition("/")
        if model == WILDCARD:
            asked = name[self.before.rfind("/") + 1 :]
            return f"{provider}/{asked}"
        return f"{provider}/{model.replace(WILDCARD, matched)}"

    def asked(self, use: str, deployment: str) -> str | None:
        """Return the name for which `upstream` returns this deployment; None = it returns it for no name.
        use: the configured deployment, with a `*` (`azure/*`); without one, the result is None. deployment:
        `provider/model`.
        """
        provider, _, model = use.partition("/")
        start, _, end = model.partition(WILDCARD)
        start, least = f"{provider}/{start}", len(start) + len(provider) + 1 + len(end)
        if len(deployment) <= least or not (deployment.startswith(start) and deployment.endswith(end)):
            return None
        found = deployment[len(start) : len(deployment) - len(end)]
        name = self.before[: self.before.rfind("/") + 1] if model == WILDCARD else self.before
        name += found if model == WILDCARD else f"{found}{self.after}"
        matched = self.matched(name)
        return name if matched is not None and self.upstream(use, name, matched) == deployment else None


def is_pattern(name: str) -> bool:
    """Whether the name of a model is a pattern: it has exactly one `*`, and other characters besides."""
    return name.count(WILDCARD) == 1 and len(name) > 1


def by_weight(names: Iterable[str]) -> list[str]:
    """Return the names that are patterns, the pattern with the greatest weight (`Pattern.weight`) first.
    Patterns of equal weight stay in the order of `names`.
    """
    return sorted(filter(is_pattern, names), key=lambda name: -len(name))


def met_by(name: str, names: Iterable[str]) -> str | None:
    """Return the pattern with the greatest weight among those in `names` that match `name`; None = no pattern
    matches.
    """
    return next((one for one in by_weight(names) if Pattern.of(one).matched(name) is not None), None)
