"""Code that the protocols of the chat family share: OpenAI's chat and completions, Mistral's chat and
Ollama's chat. Protocols outside the family use parts of this code.
"""
