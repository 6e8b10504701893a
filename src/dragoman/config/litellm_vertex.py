"""Converts LiteLLM's parameters for Vertex AI into settings of a provider. Pure.

https://docs.litellm.ai/docs/providers/vertex, https://docs.litellm.ai/docs/providers/vertex_partner
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple, TypeAlias

Text: TypeAlias = Callable[[Any], str]
"""Turns a parameter into a text of Dragoman's configuration: a reference to a variable becomes `${NAME}`."""

PREFIXES: Final = frozenset({"vertex_ai", "vertex_ai_beta"})
"""LiteLLM's names of Vertex AI."""
_PROJECT: Final = ("vertex_project", "vertex_ai_project")
_LOCATION: Final = ("vertex_location", "vertex_ai_location")
_CREDENTIALS: Final = ("vertex_credentials", "vertex_ai_credentials")
GENERAL: Final = frozenset({"vertex_project", "vertex_location"})
"""The names of LiteLLM's general settings that stand for parameters that a deployment does not state."""
PARAMS: Final = frozenset({*_PROJECT, *_LOCATION, *_CREDENTIALS})
"""The parameters that become settings."""

_UNSPOKEN: Final = "is not spoken here"
_NOT_SPOKEN: Final = (
    (
        ("mistral*", "codestral*", "jamba*", "mistralai/*", "ai21/*"),
        f"its protocol at Vertex AI {_UNSPOKEN}",
    ),
    (("imagen*", "imagegeneration*", "veo-*"), "Imagen and Veo are not spoken here"),
    (
        ("gemini/*", "openai/[0-9]*", "[0-9]*", "gemma/*", "bge/*", "agent_engine/*"),
        f"an endpoint of a project {_UNSPOKEN}",
    ),
    (("chat-bison*", "text-bison*", "code-bison*", "codechat-bison*", "code-gecko*"), "PaLM is no more"),
    (("multimodalembedding*",), f"its form of embeddings {_UNSPOKEN}"),
)
"""(patterns of models' names, why they are left out)."""
_NO_PROJECT: Final = (
    "no vertex_project is stated: here project is in the variable VERTEXAI_PROJECT; the project of the"
    " credentials is not looked up"
)
_NO_LOCATION: Final = (
    "no vertex_location is stated: here region is in the variable VERTEXAI_LOCATION, else us-central1 as in"
    " LiteLLM; a model that is at `global` alone needs region: global"
)
_INLINE: Final = "holds the JSON itself: write it into a file, and name the file here: credential.file"
_VARIABLE_FILE: Final = (
    "here: credential.file; the variable must hold the path of a file, not the JSON itself"
)
_PLAIN_FILE: Final = "here: credential.file; the file must be there when `dragoman serve` starts"


class Told(NamedTuple):
    """The settings that follow from a deployment's parameters, and notes about them: (place within
    `litellm_params`, text).
    """

    settings: dict[str, Any]
    notes: tuple[tuple[str, str], ...]


def not_spoken(model: str, params: Mapping[str, Any], known: Mapping[str, Any], text: Text) -> str | None:
    """Return why a deployment at Vertex AI cannot be converted (its model has a protocol that is not spoken
    here, or its credentials are JSON and not the path of a file); None = it can. model: the name without
    `vertex_ai/`. known: LiteLLM's section `environment_variables`.
    """
    for patterns, why in _NOT_SPOKEN:
        if any(fnmatchcase(model, pattern) for pattern in patterns):
            return why
    credentials = _credentials(params, known)
    inline = isinstance(credentials, Mapping) or text(credentials or "").startswith("{")
    return f"vertex_credentials {_INLINE}" if inline else None


def with_general(params: Mapping[str, Any], general: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a deployment's parameters with the project and the location of LiteLLM's general settings, each
    if the deployment states none. general: LiteLLM's section `litellm_settings`.
    """
    found = {name: general[name] for name in GENERAL if general.get(name)}
    for names in (_PROJECT, _LOCATION):
        if _stated(params, names):
            found.pop(names[0], None)
    return {**found, **params} if found else params


def _without_model(base: str) -> str:
    """Return a base URL without the path of a publisher's model, and without slashes at its end. Anything but
    an HTTP URL without a query and a fragment is returned unchanged.
    """
    if not base.startswith(("http://", "https://")) or "?" in base or "#" in base:
        return base
    return base.partition("/publishers/")[0].rstrip("/")


def settings_of(params: Mapping[str, Any], base: Any, known: Mapping[str, Any], text: Text) -> Told:
    """Return the settings of a provider for Vertex AI, and notes about them: with an API key, but neither
    credentials nor a project, `keys`; otherwise `project`, `region` and `credential`; and `base_url` if
    `base` is stated. base: the base URL in the parameters, None = there is none. known: LiteLLM's section
    `environment_variables`.
    """
    notes = list[tuple[str, str]]()
    settings: dict[str, Any] = {}
    file, project = text(_credentials(params, known) or ""), _stated(params, _PROJECT)
    if base:
        settings["base_url"] = _without_model(text(base))
    if params.get("api_key") and not file and not project:
        return Told({**settings, "keys": [text(params["api_key"])]}, ())  # express mode: no project
    settings["project"] = text(project or "os.environ/VERTEXAI_PROJECT")
    if not project and "VERTEXAI_PROJECT" not in known:
        notes.append(("vertex_project", _NO_PROJECT))
    if location := _stated(params, _LOCATION):
        settings["region"] = text(location)
    elif "VERTEXAI_LOCATION" in known:
        settings["region"] = text("os.environ/VERTEXAI_LOCATION")
    else:
        settings["region"] = "${VERTEXAI_LOCATION:-us-central1}"
        notes.append(("vertex_location", _NO_LOCATION))
    settings["credential"] = {"kind": "google", "file": file} if file else "google"
    if file:
        notes.append((_CREDENTIALS[0], _VARIABLE_FILE if "${" in file else _PLAIN_FILE))
    return Told(settings, tuple(notes))


def _stated(params: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((value for name in names if (value := params.get(name))), None)


def _credentials(params: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Return the credentials that LiteLLM reads before it looks for those of the machine: the stated ones, or
    else the variable VERTEXAI_CREDENTIALS if `known` has it. None = there are none.
    """
    usual = "os.environ/VERTEXAI_CREDENTIALS" if "VERTEXAI_CREDENTIALS" in known else None
    return _stated(params, _CREDENTIALS) or usual
