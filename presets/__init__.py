"""Voices: the preset format, the store that finds presets by name, blends, and voices made from recordings."""
