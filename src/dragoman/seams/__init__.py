"""The access of the package to the world outside: clock, random numbers, tasks, other processes, the
installation. Tests can replace most of it. Also has `Secret`, a text that must stay hidden.
"""
