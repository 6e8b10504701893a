"""Outgoing connections: pooled HTTP calls and WebSockets to providers, downloads of media by URL, and the
check of the addresses that such a URL may lead to.

No module here knows a dialect or reads the configuration.
"""
