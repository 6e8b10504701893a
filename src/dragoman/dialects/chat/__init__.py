"""Code of "the chat family": OpenAI's chat and completions, Mistral's chat and Ollama's chat. Protocols
outside the family use parts of it.
"""
