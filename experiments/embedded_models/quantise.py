"""DiffQ (Defossez et al. 2021) for the frequency-domain model.

It learns the bits of every group of eight weights.
"""

from diffq import DiffQuantizer
from torch import nn

GROUP_SIZE = 8
MIN_SIZE_MB = 0.005  # smaller tensors stay float16


def attach(model: nn.Module, bits: int = 8) -> DiffQuantizer:
    """Attach a quantizer to the model.

    It adds noise in training and quantises in evaluation; the bits are parameters `*_diffq`.

    At most 14 bits: diffq 0.2.4 drops groups of 15 when it packs them.
    """
    return DiffQuantizer(
        model,
        min_size=MIN_SIZE_MB,
        group_size=GROUP_SIZE,
        float16=True,
        max_bits=14,
        init_bits=bits,
    )
