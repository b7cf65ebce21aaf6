"""Native compilers for an emulated build: a sysroot at the target's floor, and zig's clang."""
