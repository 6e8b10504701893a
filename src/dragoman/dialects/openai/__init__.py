"""Code that OpenAI's APIs share, and all their operations except chat and the counting of tokens: embeddings,
images, speech, transcription, moderation and realtime sessions. Rerank is here, too, although only other
vendors have it.
"""
