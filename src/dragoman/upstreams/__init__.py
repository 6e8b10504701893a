"""What an attempt calls: providers over the wire, embedded models, the simulator."""
