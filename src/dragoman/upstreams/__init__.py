"""The targets of an attempt: providers over HTTP, embedded models, the simulator."""
