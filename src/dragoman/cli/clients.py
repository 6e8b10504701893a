"""How each client is set up for a gateway, as data: environment variables, and settings in the client's
files.

Each row links to the client's documentation. Codex, opencode and aider read the gateway's key from an
environment variable; for the other clients with files, the key is written into a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote

from dragoman.cli.merging import dotenv_with, json_with, toml_with, yaml_with, yaml_with_item

KEY_VARIABLE: Final = "DRAGOMAN_API_KEY"
OPEN_KEY: Final = "any"
"""The key for a gateway that needs no key. Most clients refuse to start without any key."""


class Gateway(NamedTuple):
    """The gateway for which a client is set up. base: its URL, without `/v1`. model: the model for the
    client, None = not known; the files of a client need one. key: the gateway's client key, OPEN_KEY = no key
    is needed.
    """

    base: str
    model: str | None
    key: str = OPEN_KEY

    @property
    def keyed(self) -> bool:
        """Whether the gateway needs a real key."""
        return self.key != OPEN_KEY


class Setting(NamedTuple):
    """A change of one file. merged: returns the new text for the old text ("" = there is no file), or raises
    Unmergeable.
    """

    path: Path
    merged: Callable[[str], str]


class Places(NamedTuple):
    """The folders of a user's files. home: the home folder. environ: the environment, with variables by which
    clients choose other folders.
    """

    home: Path
    environ: Mapping[str, str]

    def folder(self, variable: str, usual: str) -> Path:
        """Return the folder that an environment variable names; if the variable is not set or empty, the
        folder `usual` below the home folder.
        """
        named = self.environ.get(variable)
        return Path(named) if named else self.home / usual


Variables: TypeAlias = Callable[[Gateway], dict[str, str]]
Files: TypeAlias = Callable[[Gateway, Places], list[Setting]]


class Client(NamedTuple):
    """A client that can be set up.

    title: its name for people. dialect: its protocol. docs: the page that describes its settings. variables:
    returns the environment variables that it needs. files: returns the changes of its files. run: the command
    that starts it, None = there is none. clashes: environment variables of a user that could make it call
    another server, send another key or ask another model.
    """

    title: str
    dialect: str
    docs: str
    variables: Variables
    files: Files
    run: str | None = None
    clashes: tuple[str, ...] = ()


def _no_variables(_gateway: Gateway) -> dict[str, str]:
    return {}


def _key_variable(gateway: Gateway) -> dict[str, str]:
    return {KEY_VARIABLE: gateway.key} if gateway.keyed else {}


def _no_files(_gateway: Gateway, _places: Places) -> list[Setting]:
    return []


def _codex(gateway: Gateway, places: Places) -> list[Setting]:
    first = {"model": str(gateway.model), "model_provider": "dragoman"}
    table: dict[str, str | bool] = {
        "name": "Dragoman",
        "base_url": f"{gateway.base}/v1",
        "wire_api": "responses",
        "supports_websockets": True,
    }
    if gateway.keyed:
        table["env_key"] = KEY_VARIABLE
    path = places.folder("CODEX_HOME", ".codex") / "config.toml"
    return [Setting(path, lambda text: toml_with(text, first, "model_providers.dragoman", table))]


def _opencode(gateway: Gateway, places: Places) -> list[Setting]:
    model = str(gateway.model)
    options = {
        "baseURL": f"{gateway.base}/v1",
        "apiKey": f"{{env:{KEY_VARIABLE}}}" if gateway.keyed else OPEN_KEY,
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Dragoman",
        "options": options,
        "models": {model: {"name": model}},
    }
    settings = {
        "$schema": "https://opencode.ai/config.json",
        "model": f"dragoman/{model}",
        "provider": {"dragoman": provider},
    }
    path = places.folder("XDG_CONFIG_HOME", ".config") / "opencode" / "opencode.json"
    return [Setting(path, lambda text: json_with(text, settings))]


def _aider_variables(gateway: Gateway) -> dict[str, str]:
    return {"OPENAI_API_KEY": gateway.key} if gateway.keyed else {}


def _aider(gateway: Gateway, places: Places) -> list[Setting]:
    settings = {"model": f"openai/{gateway.model}", "openai-api-base": f"{gateway.base}/v1"}
    if not gateway.keyed:
        settings["openai-api-key"] = OPEN_KEY
    return [Setting(places.home / ".aider.conf.yml", lambda text: yaml_with(text, settings))]


def _continue(gateway: Gateway, places: Places) -> list[Setting]:
    model = {
        "name": "Dragoman",
        "provider": "openai",
        "model": str(gateway.model),
        "apiBase": f"{gateway.base}/v1",
        "apiKey": f"${{{{ secrets.{KEY_VARIABLE} }}}}" if gateway.keyed else OPEN_KEY,
        "roles": ["chat", "edit", "apply"],
        "capabilities": ["tool_use"],
    }
    opening = {"name": "Local Assistant", "version": "1.0.0", "schema": "v1"}
    folder = places.folder("CONTINUE_GLOBAL_DIR", ".continue")

    def merged(text: str) -> str:
        return yaml_with_item(text, "models", model, name="name", opening=opening)

    files = [Setting(folder / "config.yaml", merged)]
    if gateway.keyed:
        files.append(Setting(folder / ".env", lambda text: dotenv_with(text, {KEY_VARIABLE: gateway.key})))
    return files


def _cline(gateway: Gateway, places: Places) -> list[Setting]:
    """Return the change of the file that `cline auth` writes. Cline's extensions for editors have other
    files.
    """
    settings = {
        "provider": "openai-compatible",
        "apiKey": gateway.key,
        "model": str(gateway.model),
        "baseUrl": f"{gateway.base}/v1",
    }
    entry = {"settings": settings, "updatedAt": "1970-01-01T00:00:00.000Z", "tokenSource": "manual"}
    chosen = {
        "version": 1,
        "lastUsedProvider": "openai-compatible",
        "providers": {"openai-compatible": entry},
    }
    folder = places.folder("CLINE_DATA_DIR", ".cline/data")
    return [Setting(folder / "settings" / "providers.json", lambda text: json_with(text, chosen))]


def _claude_code(gateway: Gateway, places: Places) -> list[Setting]:
    sizes = ("OPUS", "SONNET", "HAIKU")
    env: dict[str, Any] = {
        "ANTHROPIC_BASE_URL": gateway.base,
        "ANTHROPIC_AUTH_TOKEN": gateway.key,
        "ANTHROPIC_MODEL": str(gateway.model),
        **{f"ANTHROPIC_DEFAULT_{size}_MODEL": str(gateway.model) for size in sizes},
    }
    path = places.folder("CLAUDE_CONFIG_DIR", ".claude") / "settings.json"
    return [Setting(path, lambda text: json_with(text, {"env": env}))]


def _gemini_cli(gateway: Gateway, places: Places) -> list[Setting]:
    folder = places.folder("GEMINI_CLI_HOME", "") / ".gemini"
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "model": {"name": str(gateway.model)},
    }
    variables = {"GOOGLE_GEMINI_BASE_URL": gateway.base, "GEMINI_API_KEY": gateway.key}
    return [
        Setting(folder / "settings.json", lambda text: json_with(text, settings)),
        Setting(folder / ".env", lambda text: dotenv_with(text, variables)),
    ]


def _openai(gateway: Gateway) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{gateway.base}/v1", "OPENAI_API_KEY": gateway.key}


def _azure(gateway: Gateway) -> dict[str, str]:
    # The clients refuse to start without a version; the gateway ignores which one it is.
    return {
        "AZURE_OPENAI_ENDPOINT": gateway.base,
        "AZURE_OPENAI_API_KEY": gateway.key,
        "OPENAI_API_VERSION": "2024-10-21",
    }


def _anthropic(gateway: Gateway) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": gateway.base, "ANTHROPIC_API_KEY": gateway.key}


def _ollama(gateway: Gateway) -> dict[str, str]:
    # Ollama's libraries send OLLAMA_API_KEY; its command line sends no key, so OLLAMA_HOST contains it.
    if not gateway.keyed:
        return {"OLLAMA_HOST": gateway.base}
    return {"OLLAMA_HOST": f"{gateway.base}/key/{quote(gateway.key, safe='')}", "OLLAMA_API_KEY": gateway.key}


CLIENTS: Final[Mapping[str, Client]] = {
    "codex": Client(
        "Codex",
        "openai_responses",
        "https://developers.openai.com/codex/config-reference",
        _key_variable,
        _codex,
        "codex",
    ),
    "claude-code": Client(
        "Claude Code",
        "anthropic",
        "https://code.claude.com/docs/en/settings",
        _no_variables,
        _claude_code,
        "claude",
        ("ANTHROPIC_API_KEY",),
    ),
    "gemini-cli": Client(
        "Gemini CLI",
        "gemini",
        "https://geminicli.com/docs/reference/configuration",
        _no_variables,
        _gemini_cli,
        "gemini",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
    ),
    "opencode": Client(
        "opencode", "openai_chat", "https://opencode.ai/docs/providers", _key_variable, _opencode, "opencode"
    ),
    "aider": Client(
        "aider",
        "openai_chat",
        "https://aider.chat/docs/config/aider_conf.html",
        _aider_variables,
        _aider,
        "aider",
        ("OPENAI_API_BASE", "AIDER_MODEL"),
    ),
    "continue": Client(
        "Continue", "openai_chat", "https://docs.continue.dev/reference", _no_variables, _continue, "cn"
    ),
    "cline": Client(
        "Cline's command line",
        "openai_chat",
        "https://docs.cline.bot/cline-cli/configuration",
        _no_variables,
        _cline,
        "cline",
    ),
    "openai": Client(
        "Any program that uses OpenAI's clients",
        "openai_chat",
        "https://github.com/openai/openai-python",
        _openai,
        _no_files,
    ),
    "azure": Client(
        "Any program that uses Azure OpenAI's clients",
        "openai_chat",
        "https://github.com/openai/openai-python#microsoft-azure-openai",
        _azure,
        _no_files,
        None,
        ("AZURE_OPENAI_AD_TOKEN",),
    ),
    "anthropic": Client(
        "Any program that uses Anthropic's clients",
        "anthropic",
        "https://github.com/anthropics/anthropic-sdk-python",
        _anthropic,
        _no_files,
        None,
        ("ANTHROPIC_AUTH_TOKEN",),
    ),
    "ollama": Client(
        "Ollama's command line, and programs that use its clients",
        "ollama",
        "https://docs.ollama.com/faq",
        _ollama,
        _no_files,
    ),
}
