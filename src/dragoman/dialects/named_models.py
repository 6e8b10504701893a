"""Members of a request that name further models, which the gateway asks if the first model fails.

`models: ["a", "b"]` is OpenRouter's form (https://openrouter.ai/docs/features/model-routing), `fallbacks:
["b"]` that of LiteLLM's clients. The gateway removes these members from the requests to providers. Pure.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from dragoman.errors import WireError

MEMBERS: Final = ("models", "fallbacks")
MOST: Final = 8
"""The most models that one of the members may name."""
LONGEST: Final = 256
"""The most characters of a model's name."""


class Named(NamedTuple):
    """A model that a request names in addition to the model that it asks first. place: the JSON path of the
    name, such as `models[1]`.
    """

    model: str
    place: str


def are_names(value: Any) -> bool:
    """Whether a value of `fallbacks` is a list of strings; an empty list is one, too. LiteLLM's clients may
    also write a list of objects with settings, but the gateway takes no such settings from requests.
    """
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def named(member: str, value: Any) -> tuple[Named, ...]:
    """Return the models that `value` lists; () if the value is null. member: the name of the body's member
    with this value. Raises WireError if the value is neither null nor a list of strings, if it has more than
    `MOST` names, or if a name is empty, longer than `LONGEST` characters or not printable.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise WireError(f"Invalid type for '{member}': expected an array of strings.", member, "invalid_type")
    if len(value) > MOST:
        text = f"Invalid '{member}': array too long. Expected at most {MOST} models, found {len(value)}."
        raise WireError(text, member, "array_above_max_length")
    return tuple(_name(model, f"{member}[{index}]") for index, model in enumerate(value))


def _name(model: Any, place: str) -> Named:
    if not isinstance(model, str):
        raise WireError(f"Invalid type for '{place}': expected a string.", place, "invalid_type")
    if not model or len(model) > LONGEST or not model.isprintable():
        text = f"Invalid '{place}': expected 1 to {LONGEST} printable characters."
        raise WireError(text, place, "invalid_value")
    return Named(model, place)
