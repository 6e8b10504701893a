"""Configurations as the tests of `config` load them."""

from tests.unit.config.conftest import loaded, mistakes

__all__ = ["loaded", "mistakes"]
