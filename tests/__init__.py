"""The tests; `tests.miniindex` and `tests.wheels` are what they share."""
