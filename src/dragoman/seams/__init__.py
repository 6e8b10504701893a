"""What comes from outside of the program, behind values that tests can replace."""
