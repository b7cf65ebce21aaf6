"""The edge: words in, pictures and exit codes out. The only part that prints and reads env."""
