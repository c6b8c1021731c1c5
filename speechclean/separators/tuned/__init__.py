"""What makes a loaded network of the demucs family faster without changing its answer: `tune(network, source)`.

Each tweak swaps parts of the network's own tree for modules that compute the same thing with less memory traffic; demucs'
classes stay as they are. Answers agree with the plain network's to rounding, beyond 100 dB (tests/separators/test_tuned.py);
what each is worth is measured by `python -m experiments.speed.tweaks`.

head.py       the outputs of the asked-for source only
attention.py  attention without the matrix of weights, norms without transposes, scales folded into weights
residual.py   the residual branches (DConv) as matrix products
rows.py       the layers over frequency in tiles of a few rows, which stay in the processor's cache
workers.py    tiles spread over threads
spectra.py    STFT and its inverse with window and envelope made once
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .attention import tune_attention
from .head import keep_source
from .residual import tune_residuals
from .rows import tune_rows
from .spectra import tune_spectra

#: In the order in which they are applied; those of `CPU_ONLY` are about caches and small kernels that a GPU does not mind.
TWEAKS: dict[str, Callable[[Any], None]] = {
    "attention": tune_attention,
    "residual": tune_residuals,
    "rows": tune_rows,
    "spectra": tune_spectra,
}
CPU_ONLY = frozenset({"residual", "rows"})


def tune(network: Any, source: int | None = None, device: str = "cpu", without: frozenset[str] = frozenset()) -> None:
    """Make a network of the demucs family faster, in place, for a type of device.

    `source` is the only one whose estimate is wanted, None for all; `without` leaves out tweaks by name (`head` too).
    """
    if source is not None and "head" not in without:
        keep_source(network, source)
    for name, tweak in TWEAKS.items():
        if name not in without and not (name in CPU_ONLY and device != "cpu"):
            tweak(network)
