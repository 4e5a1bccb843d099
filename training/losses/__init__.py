"""Training losses and discriminators."""
