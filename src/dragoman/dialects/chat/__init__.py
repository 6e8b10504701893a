"""Code that four protocols share, "the chat family": OpenAI's chat and completions, Mistral's, Ollama's."""
