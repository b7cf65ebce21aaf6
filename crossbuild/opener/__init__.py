"""What a bundle that runs by itself begins with: modules that are assembled into one file."""
