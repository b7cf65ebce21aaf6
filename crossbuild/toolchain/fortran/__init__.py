"""Native Fortran for emulated builds."""
