"""Runs the notebooks one process each, and turns what they show into pages, figures and metrics files.

Imports no torch, no model: what a notebook is, it says itself through its outputs and its lab's file.
"""
