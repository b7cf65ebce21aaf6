"""What `crossbuild probe` prints: modules that are assembled into one script."""
