"""Choosing versions: what there is to choose from, uv, and why nothing fits."""
