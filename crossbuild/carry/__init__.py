"""Bringing a wheelhouse to a machine that only runs Python code: channels, and what they carry."""
