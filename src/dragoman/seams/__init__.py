"""Inputs from outside of the program, behind values that tests can replace: clock and random numbers,
background tasks, time limits, secrets, the installation. Imports nothing of ours but errors.
"""
