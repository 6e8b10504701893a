"""Consumers of finished exchanges: logs now, metrics and traces later. They read, and change nothing."""
