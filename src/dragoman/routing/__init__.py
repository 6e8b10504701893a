"""Which attempt next: pure decisions. Clock and random are arguments."""
