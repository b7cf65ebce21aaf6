"""crossbuild: offline wheelhouses for another processor, resolved, built and proven."""
