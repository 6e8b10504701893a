"""The version of Dragoman, the single place where it is stated."""

__version__ = "0.1.0"
