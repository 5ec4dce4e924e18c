"""Networks and nothing else: they return logits and raw statistics, never a loss."""
