"""Ollama's clients before a running gateway."""
