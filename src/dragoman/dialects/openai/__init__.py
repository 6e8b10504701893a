"""Code that OpenAI's chat and Responses share, and all OpenAI operations beside chat, such as embeddings."""
