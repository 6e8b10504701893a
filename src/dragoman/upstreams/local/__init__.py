"""Embedded models: weights on this machine, run by llama.cpp in a process of their own.

    LocalUpstream ── ModelProcess ══ pipes ══ worker ── Llama
    IR ⇄ turns        asyncio                 queue      tokens

Only `llama` knows the engine, and only the worker loads it: importing this package loads no library.
"""
