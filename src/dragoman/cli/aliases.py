"""`dragoman aliases`: adds aliases to a running gateway, and removes them."""

from __future__ import annotations

from dragoman.cli.adding import changing
from dragoman.cli.command import Group

command = Group(
    "aliases",
    help="Add aliases to a running gateway, and remove them.",
    examples=("dragoman aliases add best openai/gpt-5", "dragoman aliases remove best"),
)
changing(command, "aliases", "an alias", ("dragoman aliases add best openai/gpt-5",))
