"""Package indexes: where they are, how to talk to them, what they offer."""
