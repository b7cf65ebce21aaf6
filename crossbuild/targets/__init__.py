"""Ways to name a machine: distributions by name, and what an interpreter told of itself."""
