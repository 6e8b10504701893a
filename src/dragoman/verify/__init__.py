"""Whether an answer keeps the form that its client asked for: the optional check of structured output."""
