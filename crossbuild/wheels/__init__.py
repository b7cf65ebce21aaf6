"""Wheels as files: what they promise, what they hold, what they need of the machine."""
