"""What every loop that trains something needs, however small; the loop of the stages is in `training/trainer/`."""

from __future__ import annotations

import torch
from torch import Tensor

from streamvc.errors import TrainingError


def check_finite(loss: Tensor, step: int) -> None:
    """Stop a training that has diverged before it overwrites anything.

    Raises:
        TrainingError: the loss is NaN or infinite.
    """
    if not torch.isfinite(loss):
        raise TrainingError(f"The loss became {float(loss)} at step {step}; resume with a lower learning rate.")
