"""Side by side with the usual training loops: ``make bench``."""
