"""Outgoing connections: pooled HTTP calls and WebSockets to providers, downloads of media by URL, and the
allowed addresses.

No module here knows a protocol of models, an exchange or a setting.
"""
