"""Training: corpora, content labels, losses, the two stages, and evaluation."""
