"""Engines: where emulated target code runs."""
