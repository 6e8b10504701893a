"""Dragoman: an AI gateway that interprets between any client and any model."""
