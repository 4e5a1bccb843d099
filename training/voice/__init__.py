"""A new voice from minutes of speech: `svc train voice`."""
