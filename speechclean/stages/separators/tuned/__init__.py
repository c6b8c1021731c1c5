"""Make a loaded network of the demucs family faster without changing its answer.

Each tweak swaps parts of the network's own tree for modules that compute the same thing with less
memory traffic; demucs' classes stay as they are. Answers agree with the plain network's to
rounding, beyond 100 dB (tests/stages/separators/test_tuned.py); what each is worth is measured by
`python -m experiments.speed.tweaks`.

    attention   attention without the matrix of weights, norms without transposes, scales folded
                into weights
    residual    the residual branches (DConv) as matrix products
    spectra     STFT and its inverse with window and envelope made once
    branches    spectrum and waveform beside one another, in a lone pass
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .attention import tune_attention
from .branches import tune_branches
from .residual import tune_residuals
from .spectra import tune_spectra

#: In the order in which they are applied; those of `CPU_ONLY` are about small kernels that a GPU
#: does not mind, and about cores.
TWEAKS: dict[str, Callable[[Any], None]] = {
    "attention": tune_attention,
    "residual": tune_residuals,
    "spectra": tune_spectra,
    "branches": tune_branches,
}
CPU_ONLY = frozenset({"residual", "branches"})


def tune(network: Any, device: str = "cpu", without: frozenset[str] = frozenset()) -> None:
    """Make a network of the demucs family faster, in place, for a type of device.

    `without` leaves out tweaks by name.
    """
    for name, tweak in TWEAKS.items():
        if name not in without and not (name in CPU_ONLY and device != "cpu"):
            tweak(network)
