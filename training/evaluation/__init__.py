"""Objective evaluation of conversions: intelligibility, speaker similarity, pitch, quality."""
