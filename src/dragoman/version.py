"""The version of Dragoman. No other file states it."""

__version__ = "0.1.0"
