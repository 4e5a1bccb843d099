"""The two ways to compute a real DFT, and correlation, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamvc.dsp.dft import RealDFT, correlate

TRANSFORMS = ("fft", "matmul")


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("length", [1, 80, 511, 512])
def test_forward_is_numpys_rfft_of_the_padded_signal(transform, length):
    x = torch.randn(3, 2, length)
    real, imaginary = RealDFT(512, transform)(x)
    expected = np.fft.rfft(x.numpy(), 512)
    np.testing.assert_allclose(real.numpy(), expected.real, atol=1e-9)
    np.testing.assert_allclose(imaginary.numpy(), expected.imag, atol=1e-9)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("length", [1, 320, 512])
def test_inverse_is_numpys_irfft(transform, length):
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal((2, 512)))
    y = RealDFT(512, transform).inverse(torch.tensor(spectrum.real), torch.tensor(spectrum.imag), length)
    np.testing.assert_allclose(y.numpy(), np.fft.irfft(spectrum)[:, :length], atol=1e-10)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_there_and_back_is_the_identity(transform):
    dft, x = RealDFT(64, transform), torch.randn(5, 64)
    torch.testing.assert_close(dft.inverse(*dft(x), 64), x)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize(("short", "long"), [(1, 1), (5, 5), (5, 17), (480, 800)])
def test_correlation_is_numpys(transform, short, long):
    x, y = torch.randn(3, short), torch.randn(3, long)
    expected = [np.correlate(b, a, mode="valid") for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    np.testing.assert_allclose(correlate(x, y, transform).numpy(), expected, atol=1e-9)
