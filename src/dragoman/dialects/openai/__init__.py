"""Code that OpenAI's APIs share, and the operations of its API besides chat: embeddings, images, speech,
transcription, moderation and realtime sessions. Rerank is here, too, although only other vendors have it.
"""
