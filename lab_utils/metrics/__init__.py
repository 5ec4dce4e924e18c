"""Tensors in, numbers out: likelihood, control."""
