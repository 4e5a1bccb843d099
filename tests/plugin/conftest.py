"""An engine of known behaviour, so that the audio path around it can be judged sample by sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from streamvc.latency import LatencyReport


class DelayEngine:
    """Gives back what it hears, later by its look-ahead: a voice conversion that changes no voice."""

    def __init__(self, look_ahead: int = 640) -> None:
        self.latency = LatencyReport(framing=320, look_ahead=look_ahead)
        self.reset()

    def reset(self) -> None:
        self._held = np.zeros(self.latency.look_ahead, dtype=np.float32)

    def process(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        assert samples.dtype == np.float32
        assert samples.shape == (320,)
        joined = np.concatenate([self._held, samples])
        self._held = joined[320:]
        return joined[:320]


@pytest.fixture(scope="session")
def delay_engine() -> Callable[..., DelayEngine]:
    """The class `DelayEngine`: call it with a look-ahead in samples."""
    return DelayEngine
