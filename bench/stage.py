"""Who takes part in a run: the fake provider, the floor and the gateway, and how each is started.

The gateway runs as its users run it, `dragoman serve` with a configuration file, with a client key asked for
and the access log on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from bench.checks import CLIENT_KEY
from bench.processes import Cores, Process, free_port

Target = Literal["direct", "floor", "gateway", "forgetful"]
"""`forgetful`: a gateway whose answers are gone with its process. `gateway` has a file, as by default."""

_STORES: dict[Target, str] = {"gateway": "sqlite", "forgetful": "memory"}


@dataclass(slots=True)
class Stage:
    """The provider of a run, and where the others are started.

    models: every model name that the run asks the provider for; the gateway serves each under its own name,
    by chat as `renamed-NAME`, by Anthropic's messages as `translated-NAME`, by Gemini as `gemini-NAME` and by
    OpenAI's Responses as `responses-NAME`.
    """

    cores: Cores
    folder: Path
    models: tuple[str, ...]
    provider: Process

    @classmethod
    async def build(cls, cores: Cores, folder: Path, models: tuple[str, ...]) -> Stage:
        """Start the provider."""
        port = free_port()
        arguments = ["-m", "bench.upstream", "--port", str(port)]
        provider = Process(arguments, port, cores.bench, folder / "provider.log", _environment(folder))
        await provider.ready()
        return cls(cores, folder, models, provider)

    def start(self, target: Target) -> Process:
        """Start the floor or a gateway on the core under test; it is not ready yet."""
        port = free_port()
        origin = f"http://127.0.0.1:{self.provider.port}"
        if target == "floor":
            arguments = ["-m", "bench.floor", "--port", str(port), "--provider", origin]
        else:
            file = self.folder / f"{target}.yaml"
            file.write_text(yaml.safe_dump(self._configuration(origin, _STORES[target])))
            arguments = ["-m", "dragoman", "serve", "--config", str(file), "--port", str(port)]
        log = self.folder / f"{target}.log"
        return Process(arguments, port, self.cores.subject, log, _environment(self.folder))

    def _configuration(self, origin: str, store: str) -> dict[str, object]:
        own = {model: {"use": f"up/{model}"} for model in self.models}
        translated = {
            f"{prefix}-{model}": {"use": f"{provider}/{model}"}
            for prefix, provider in (("translated", "an"), ("gemini", "ge"), ("responses", "re"))
            for model in self.models
        }
        return {
            "server": {"host": "127.0.0.1", "access_log": True},
            "auth": {"keys": [CLIENT_KEY]},
            "providers": {
                "up": {"dialect": "openai_chat", "base_url": f"{origin}/v1", "keys": ["bench-provider-key"]},
                "an": {"dialect": "anthropic", "base_url": origin, "keys": ["bench-provider-key"]},
                "re": {
                    "dialect": "openai_responses",
                    "base_url": f"{origin}/v1",
                    "keys": ["bench-provider-key"],
                },
                "ge": {"dialect": "gemini", "base_url": f"{origin}/v1beta", "keys": ["bench-provider-key"]},
            },
            "stores": {"sql": store},
            "models": {**own, **translated},
            "aliases": {f"renamed-{model}": {"route": model} for model in self.models},
        }


def _environment(folder: Path) -> dict[str, str]:
    """This environment without what would configure the gateway, and with a home of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DRAGOMAN_") and not name.endswith(("_API_KEY", "_BASE_URL", "_HOST"))
    }
    return {**kept, "DRAGOMAN_HOME": str(folder / "home")}
