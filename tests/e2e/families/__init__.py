"""Conversations of two turns with a thought and a tool call: families of providers, clients of protocols."""
