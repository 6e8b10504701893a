"""The pure code's access to the world outside (clock, random numbers, tasks, other processes, the
installation), mostly as values that tests can replace; and `Secret`, a text that must stay hidden.
"""
