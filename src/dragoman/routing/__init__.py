"""Pure decisions about the next attempt. Clock and random numbers are arguments."""
