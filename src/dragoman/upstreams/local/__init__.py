"""Embedded models: weights on this machine, run by engines in processes of their own.

    LocalUpstream ── ModelProcess ══ pipes ══ worker ── Llama      chat (llama.cpp)
    IR ⇄ orders       asyncio                 queue  ── MiniLM     vectors (numpy)
                      one for each engine            ── Hibari     speech (onnxruntime)
                                                     ── Whisper    transcription (CTranslate2)

Only the module of that name knows an engine, and only a worker loads it: importing this package loads no
library.
"""
