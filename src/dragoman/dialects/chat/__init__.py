"""What the protocols of the chat family share: OpenAI's chat and completions, Mistral's, Ollama's."""
