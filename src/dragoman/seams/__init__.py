"""What comes from outside of the program, behind values that tests replace: the clock and random, background
tasks, limits on waiting, secrets, how this program was installed. Imports nothing of ours but errors.
"""
