"""From an sdist to a raw wheel: archives, build environments, PEP 517 hooks in a sandbox."""
