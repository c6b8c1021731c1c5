"""DiffQ (Defossez et al. 2021) as the frequency-domain model uses it: bits per group of eight
weights, learned.
"""

from diffq import DiffQuantizer
from torch import nn

GROUP_SIZE = 8
MIN_SIZE_MB = 0.005  # smaller tensors stay float16


def attach(model: nn.Module) -> DiffQuantizer:
    """Hook a quantizer onto the model: noise in training, true quantisation in eval, bits as
    `*_diffq` parameters.

    At most 14 bits: diffq 0.2.4 drops groups of 15 when it packs them.
    """
    return DiffQuantizer(
        model, min_size=MIN_SIZE_MB, group_size=GROUP_SIZE, float16=True, max_bits=14, init_bits=8
    )
