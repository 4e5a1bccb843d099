"""StreamVC: real-time voice conversion for Python audio graphs.

The package root imports nothing heavy. The parts are reached by their own names, for example
`streamvc.plugin` for the processor that stands in an audio chain and `streamvc.engine` for 16 kHz frames.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
