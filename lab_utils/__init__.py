"""Shared helpers of the six notebooks; the file names say what is where."""
