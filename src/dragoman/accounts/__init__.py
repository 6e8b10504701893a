"""Who may call, what each caller may use and how much of it, and what was used: client keys, their owners,
limits, and the journal of usage.
"""
