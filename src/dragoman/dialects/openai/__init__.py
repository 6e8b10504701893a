"""Code that OpenAI's APIs share, and all operations beside chat and counting, also vendors' rerank."""
