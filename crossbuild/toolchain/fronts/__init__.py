"""Small programs of the host that stand before compilers of another's making."""
