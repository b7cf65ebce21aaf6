"""The whole command, as people run it."""
