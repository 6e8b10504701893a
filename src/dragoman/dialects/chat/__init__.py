"""Shared by the protocols of the chat family: OpenAI's chat and completions, Mistral's, Ollama's."""
