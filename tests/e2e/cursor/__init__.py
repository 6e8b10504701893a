"""Cursor before the gateway: its three ways to write a request, over every provider."""
