"""Audio files for reading, whatever is in them.

What can be judged and decoded in a few lines of NumPy is read in this process (`wave.py`); everything else, where other
people's native code is at work, in a child process (`decoder.py`), so that a decoder that dies takes one file along and
nothing else. `reader.py` chooses. Importing this package imports nothing.
"""
