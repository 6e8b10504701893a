"""The access of the package to the world outside: clock, random numbers, tasks and their time limits, other
processes, the state of files, the installation. Tests can replace most of it. Also has `Secret`, a text that
must stay hidden.
"""
