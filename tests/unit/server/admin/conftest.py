"""The command line, as the tests of commands run it."""

from tests.unit.cli.conftest import folder, run

__all__ = ["folder", "run"]
