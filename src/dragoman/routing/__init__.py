"""Pure decisions: what a model name means, and which attempt is next. Clock and randomness are arguments."""
