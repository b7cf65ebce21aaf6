"""Commands for maintainers: data files that are written by a program, and held to it by a test."""
