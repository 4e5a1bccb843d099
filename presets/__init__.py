"""Voices: the preset format, the store that finds presets by name, and the built-in voices."""
