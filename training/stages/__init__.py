"""The stages of a training: what each learns, from which rows, and how it is judged."""
