"""Content labels: one unit per 20 ms frame, from a teacher encoder and k-means."""
