"""Loaders: images as uint8 N×C×H×W with their labels, the split, and where they came from."""
