"""Signal analysis and synthesis as streaming modules: log-mel, pitch, energy, excitation, filtering."""
