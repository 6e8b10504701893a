"""Gemini's protocol at a running gateway: Google's own clients, plain HTTP, a coding agent."""
