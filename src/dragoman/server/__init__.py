"""Inbound IO: raw ASGI from a path table, client keys, streams to slow readers, the uvicorn runner."""
