"""Embedded models: model files on this machine, run by engines (inference libraries) in processes of their
own.

    LocalUpstream ── ModelProcess ══ pipes ══ worker ── Llama      chat (llama.cpp)
    IR ⇄ orders       asyncio                 queue  ── MiniLM     embeddings (numpy)
                      one for each engine            ── Hibari     speech (onnxruntime)
                                                     ── Whisper    transcription (CTranslate2)

Only a worker loads an engine's library: importing this package loads none.
"""
