"""Names of models with a `*`, which stand for many names: `gpt-*`, `openai/*`.

    pattern    deployment             asked             upstream model
    openai/*   azure/*                openai/gpt-5      gpt-5
    gpt-*      azure/*                gpt-5             gpt-5
    claude-*   bedrock/anthropic.*    claude-opus-5     anthropic.opus-5
    team/*     mine/qwen3             team/whatever     qwen3

A deployment `provider/*` gets the name that was asked for, without the part up to the pattern's last slash.
Inside a longer text the `*` is what the pattern's `*` has matched. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

WILDCARD = "*"


class Pattern(msgspec.Struct, frozen=True):
    """A name with one `*`. before, after: its text on both sides of it."""

    before: str
    after: str

    @classmethod
    def of(cls, text: str) -> Pattern:
        """The pattern of a text that `is_pattern` accepts."""
        before, _, after = text.partition(WILDCARD)
        return cls(before, after)

    @property
    def weight(self) -> int:
        """How many characters it states. Of several patterns that match a name, the weightiest counts."""
        return len(self.before) + len(self.after)

    def matched(self, name: str) -> str | None:
        """The text that the `*` stands for in a name, at least one character; None = the name does not match.
        A pattern without a slash matches no name with a slash, which begins with a provider.
        """
        if len(name) <= self.weight or not (name.startswith(self.before) and name.endswith(self.after)):
            return None
        if "/" in name and "/" not in self.before and "/" not in self.after:
            return None
        return name[len(self.before) : len(name) - len(self.after)]

    def upstream(self, use: str, name: str, matched: str) -> str:
        """The deployment `provider/model` that `use` stands for if `name` is asked. matched: as returned."""
        provider, _, model = use.partition("/")
        if model == WILDCARD:
            asked = name[self.before.rfind("/") + 1 :]
            return f"{provider}/{asked}"
        return f"{provider}/{model.replace(WILDCARD, matched)}"


def is_pattern(name: str) -> bool:
    """Whether the name of a model stands for many names: it has one `*` beside other text."""
    return name.count(WILDCARD) == 1 and len(name) > 1


def by_weight(names: Iterable[str]) -> list[str]:
    """The patterns among names, those that state most first, otherwise in their order."""
    return sorted(filter(is_pattern, names), key=lambda name: -len(name))


def met_by(name: str, names: Iterable[str]) -> str | None:
    """The weightiest pattern among `names` that matches a name; None = none does."""
    return next((one for one in by_weight(names) if Pattern.of(one).matched(name) is not None), None)
