"""Hurts reports in every way that a computer does, and checks that the next command mends them. Linux only."""
