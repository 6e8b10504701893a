"""Models on this machine: model files that are run by engines (inference libraries) in separate processes.

    LocalUpstream ── ModelProcess ══ pipes ══ worker ── Llama      chat (llama.cpp)
    IR ⇄ orders       asyncio                 queue  ── MiniLM     embeddings (numpy)
                      one for each engine            ── Hibari     speech (onnxruntime)
                                                     ── Whisper    transcription (CTranslate2)

Only a worker loads an engine's library. Importing this package loads no such library.
"""
