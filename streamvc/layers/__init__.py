"""Streaming layers: every layer maps (input, state) to (output, new state)."""
