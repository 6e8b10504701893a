"""Members of a request that name further models: those that the gateway asks if the first model fails, and
those that the provider asks for its own answer.

`models: ["a", "b"]` is OpenRouter's form (https://openrouter.ai/docs/features/model-routing), `fallbacks:
["b"]` that of LiteLLM's clients. The gateway removes these two lists of names from the requests to providers.
The members in `_WITHIN` are the provider's own and are sent to it; Anthropic's `fallbacks` is among them, a
list of objects. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from dragoman.errors import WireError

MEMBERS: Final = ("models", "fallbacks")
MOST: Final = 8
"""The most models that one of the members may name."""
LONGEST: Final = 256
"""The most characters of a model's name."""
MOST_WITHIN: Final = 32
"""The most models that one request may name for its provider's own use."""
_EACH: Final = "*"
_ITSELF: Final = ""
_Places: TypeAlias = "Mapping[str, _Places]"
_NAME: Final[_Places] = {_ITSELF: {}}
_FUSION: Final[_Places] = {"model": _NAME, "analysis_models": {_EACH: _NAME}}
_WITHIN: Final[_Places] = {
    "fallbacks": {_EACH: {"model": _NAME}},
    "tools": {_EACH: {"model": _NAME, "parameters": _FUSION}},
    "plugins": {_EACH: _FUSION},
    "compound_custom": {"models": {_EACH: _NAME}},
}
"""The members of a body in which a provider reads the names of other models. `_EACH` stands for each item of
a list, and for each value of an object; `_ITSELF` for a text that is a name.

`fallbacks` and the tool `advisor_20260301` are Anthropic's
(https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool), the tool `image_generation`
OpenAI's (https://developers.openai.com/api/docs/guides/image-generation), `compound_custom` Groq's
(https://console.groq.com/docs/compound). `plugins` and tools with `parameters` that hold a name are
OpenRouter's (https://openrouter.ai/docs/guides/features/plugins/fusion,
https://openrouter.ai/docs/guides/features/server-tools/advisor). 2026-11-25.
"""
_TOLD: Final[_Places] = {
    **_WITHIN,
    "models": {_EACH: _NAME},
    "fallbacks": {_EACH: {_ITSELF: {}, "model": _NAME}},
}
"""The same of an object that a body has for one provider (`addressed`): the gateway sends all of it on."""


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


def within(body: Mapping[str, Any], members: AbstractSet[str]) -> tuple[Named, ...]:
    """Return the models, besides the request's own, that a body lets its provider use, as far as they stand
    at a place in `_WITHIN`. A value at such a place that is no text is left to the provider. members: the
    names of the members that the client's protocol defines; an object in another member may be for one
    provider (`addressed`), and is searched, too (`_TOLD`). Raises WireError for more than `MOST_WITHIN`
    models, and for a name that is empty, longer than `LONGEST` characters or not printable.
    """
    if body.keys() <= members and _WITHIN.keys().isdisjoint(body):
        return ()  # most requests; and each one comes here
    found: list[Named] = []
    for member, value in body.items():
        if (places := _WITHIN.get(member)) is not None:
            _look(value, places, member, found)
        elif member not in members and isinstance(value, dict):
            _look(value, _TOLD, member, found)
    if len(found) > MOST_WITHIN:
        place = found[MOST_WITHIN].place
        text = f"Too many models: expected at most {MOST_WITHIN} besides the request's own."
        raise WireError(text, place, "array_above_max_length")
    return tuple(_name(one.model, one.place) for one in found)


def _look(value: Any, places: _Places, path: str, found: list[Named]) -> None:
    """Add to `found` the names in a value. places: where the value has names, in the form of `_WITHIN`. path:
    the JSON path of the value.
    """
    if isinstance(value, str):
        if _ITSELF in places:
            found.append(Named(value, path))
    elif isinstance(value, dict):
        for member in value if _EACH in places else places:
            if member in value:
                inner = places[_EACH] if _EACH in places else places[member]
                _look(value[member], inner, f"{path}.{member}", found)
    elif isinstance(value, list) and _EACH in places and not _lacks(value, places[_EACH]):
        for index, one in enumerate(value):
            _look(one, places[_EACH], f"{path}[{index}]", found)


def _lacks(items: list[Any], places: _Places) -> bool:
    """Whether no item has a member in `places`; False = one may have such a member."""
    if _ITSELF in places or _EACH in places:
        return False
    try:
        return places.keys().isdisjoint(chain.from_iterable(items))
    except TypeError:  # an item is a number, or has a member that cannot be a key
        return False


def _name(model: Any, place: str) -> Named:
    if not isinstance(model, str):
        raise WireError(f"Invalid type for '{place}': expected a string.", place, "invalid_type")
    if not model or len(model) > LONGEST or not model.isprintable():
        text = f"Invalid '{place}': expected 1 to {LONGEST} printable characters."
        raise WireError(text, place, "invalid_value")
    return Named(model, place)
