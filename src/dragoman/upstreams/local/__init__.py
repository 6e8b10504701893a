"""Embedded models: weights on this machine, run by llama.cpp in a process of their own."""
