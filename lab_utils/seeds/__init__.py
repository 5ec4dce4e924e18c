"""Repeats notebooks over seeds and grids of settings, each run once, and says what their numbers are in the mean.

Like the report it imports no torch and no model: notebooks run in processes of their own.
"""
