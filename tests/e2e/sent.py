"""What a provider was sent, read alike whatever its dialect."""

from __future__ import annotations

from typing import Any

from dragoman.testing.provider import Seen

_CREDENTIALS = {
    "openai_chat": ("authorization", "Bearer "),
    "anthropic": ("x-api-key", ""),
    "gemini": ("x-goog-api-key", ""),
    "mistral": ("authorization", "Bearer "),
    "openai_responses": ("authorization", "Bearer "),
    "ollama": ("authorization", "Bearer "),
}
_SETTINGS = {
    "gemini": {"temperature": "temperature", "limit": "maxOutputTokens", "stop": "stopSequences"},
    "anthropic": {"temperature": "temperature", "limit": "max_tokens", "stop": "stop_sequences"},
    "mistral": {"temperature": "temperature", "limit": "max_tokens", "stop": "stop"},
    "ollama": {"temperature": "temperature", "limit": "num_predict", "stop": "stop"},
}
_HOLDERS = {"gemini": "generationConfig", "ollama": "options"}
_SYSTEM = {"system", "developer"}


class Sent:
    """One request to a provider of this dialect."""

    def __init__(self, dialect: str, seen: Seen) -> None:
        self.dialect = dialect
        self.seen = seen
        self.body = seen.body

    @property
    def model(self) -> str:
        """The model that was asked for."""
        if self.dialect == "gemini":
            return self.seen.path.rpartition("/")[2].partition(":")[0]
        return str(self.body["model"])

    @property
    def credential(self) -> str:
        """The provider's key, from the one header that may hold it."""
        name, prefix = _CREDENTIALS[self.dialect]
        others = {header for header, _ in _CREDENTIALS.values()} - {name}
        assert not others & set(self.seen.headers)
        value = self.seen.headers[name]
        assert value.startswith(prefix)
        return value.removeprefix(prefix)

    def setting(self, name: str) -> Any:
        """The value of "temperature", "limit" or "stop"."""
        names = _SETTINGS.get(self.dialect)
        if names is None:
            names = {**_SETTINGS["mistral"], "limit": "max_completion_tokens"}
            if "max_tokens" in self.body:
                names["limit"] = "max_tokens"
        holder = self.body[_HOLDERS[self.dialect]] if self.dialect in _HOLDERS else self.body
        return holder[names[name]]

    @property
    def system(self) -> list[str]:
        """The texts of what opens the conversation for the model alone, one by one."""
        if self.dialect == "gemini":
            return _texts((self.body.get("systemInstruction") or {}).get("parts", []))
        if self.dialect == "anthropic":
            return _texts(self.body.get("system", []))
        if self.dialect == "openai_responses":
            opened = [
                text for role, texts in _messages(self.body["input"]) for text in texts if role in _SYSTEM
            ]
            return _texts(self.body.get("instructions")) + opened
        return [text for m in self.body["messages"] if m["role"] in _SYSTEM for text in _texts(m["content"])]

    @property
    def turns(self) -> list[tuple[str, list[str]]]:
        """Role and texts of each message, with the roles `user` and `assistant` in every dialect."""
        if self.dialect == "gemini":
            roles = {"user": "user", "model": "assistant"}
            return [(roles[c["role"]], _texts(c["parts"])) for c in self.body["contents"]]
        if self.dialect == "openai_responses":
            return _messages(self.body["input"])
        return [(m["role"], _texts(m.get("content"))) for m in self.body["messages"]]

    @property
    def results(self) -> int:
        """How many results of tools the conversation holds."""
        if self.dialect == "gemini":
            return sum("functionResponse" in part for c in self.body["contents"] for part in c["parts"])
        if self.dialect == "openai_responses":
            given = self.body["input"]
            items = [] if isinstance(given, str) else given
            return sum(item.get("type", "").endswith("_call_output") for item in items)
        messages = self.body["messages"]
        if self.dialect == "bedrock":
            return sum("toolResult" in block for message in messages for block in message["content"])
        blocks = [part for m in messages if isinstance(m.get("content"), list) for part in m["content"]]
        own = sum(message["role"] == "tool" for message in messages)
        return own + sum(block.get("type") == "tool_result" for block in blocks)


def _messages(given: Any) -> list[tuple[str, list[str]]]:
    """The messages of an input of the Responses API; calls and their results are no messages there."""
    if isinstance(given, str):
        return [("user", [given])]
    return [(item["role"], _texts(item["content"])) for item in given if "role" in item]


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if "text" in part]
