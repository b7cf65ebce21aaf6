"""Sandboxes on this host: bubblewrap around a root, the emulator, the limits."""
