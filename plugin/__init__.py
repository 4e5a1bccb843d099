"""The audio graph: processors that convert a voice inside a chain, a file, or a live stream."""
