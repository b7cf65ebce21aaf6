"""Native Rust for emulated builds, and the crates they are made of."""
