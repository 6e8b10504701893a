"""The version of Dragoman. No other source file of the package states it."""

__version__ = "0.1.0"
