"""The corpus: what becomes of real packages without a wheel. ``python -m tests.corpus -h``."""
