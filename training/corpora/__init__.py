"""Builders of packed training corpora."""
