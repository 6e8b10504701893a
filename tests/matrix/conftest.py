"""The running gateways of the end-to-end tests."""

from tests.e2e.conftest import provide, serve, stack, visit

__all__ = ["provide", "serve", "stack", "visit"]
