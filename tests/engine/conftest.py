"""The roots of ``tests.roots``, for the tests of the engine."""

from __future__ import annotations

from tests.roots import build_root, engine, shared_store, target_root

__all__ = ["build_root", "engine", "shared_store", "target_root"]
