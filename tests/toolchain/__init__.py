"""The native compilers: what the launcher makes of a command line, and what comes out."""
