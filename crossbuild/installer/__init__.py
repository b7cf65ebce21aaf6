"""What every wheelhouse carries as ``install.py``: modules that are assembled into one file."""
