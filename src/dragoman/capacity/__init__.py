"""What one process has to give, bounded in all and shared by clients: places, bytes, and turns of processor
time. Imports nothing of ours but errors and the IR.
"""
