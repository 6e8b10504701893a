"""Code of "the chat family": OpenAI's chat and completions, Mistral's and Ollama's chat. Others use parts."""
