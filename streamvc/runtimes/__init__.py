"""Inference runtimes behind one protocol: numpy arrays in, numpy arrays out."""
