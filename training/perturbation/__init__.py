"""Changes of waveforms that no content unit may depend on: pitch, formants, equaliser, rooms, noise.

Everything works on one row of samples (NumPy float32, 16 kHz) with a generator of its own, so that what a row becomes
depends on its seed alone, however batches are split.
"""

from streamvc.training.perturbation.chain import EFFECTS, USUAL, Perturbation, PerturbationConfig

__all__ = ["EFFECTS", "USUAL", "Perturbation", "PerturbationConfig"]
