"""Code that OpenAI's APIs share. All operations except chat and the counting of tokens are here; so is
rerank, which only other vendors have.
"""
