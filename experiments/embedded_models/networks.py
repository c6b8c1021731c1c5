"""The small networks: public classes of demucs and denoiser, only their sizes are ours.

The separators answer `[batch, 2, 1, samples]` for a mono mixture `[batch, 1, samples]` at 24 kHz,
sources in the order `SOURCES`. The two families are meant to differ (waveform + spectrum with
attention; magnitudes alone with recurrence), so that their errors do too. The denoiser maps
`[batch, 1, samples]` at 16 kHz to the same shape.
"""

from collections.abc import Callable
from fractions import Fraction

from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from denoiser.demucs import Demucs as Denoiser
from torch import nn

from experiments.embedded_models.data import SAMPLE_RATE

SOURCES = ["music", "speech"]
SEGMENT_S = Fraction(4)


def htdemucs() -> HTDemucs:
    """Hybrid waveform/spectrum U-Net with a cross-domain transformer at the bottom.

    About 1.0 M parameters.

    Its spectral branch works on magnitudes (`cac=False`): with complex channels the first quarter
    of an hour went into learning what phase is, and the ratio mask that ships needs magnitudes
    only. Its spectral layers are those of `hdemucs`, so that a half-trained one can be its start
    (transplant.py).
    """
    return HTDemucs(
        sources=SOURCES,
        audio_channels=1,
        samplerate=SAMPLE_RATE,
        segment=SEGMENT_S,
        channels=12,
        depth=4,
        nfft=1024,
        cac=False,
        wiener_iters=-1,
        end_iters=-1,
        dconv_mode=1,
        dconv_comp=4,
        t_layers=3,
        t_heads=4,
        t_hidden_scale=2.0,
    )


def hdemucs(channels: int = 12, segment_s: int = 4) -> HDemucs:
    """Frequency-only U-Net on magnitudes with local attention and an LSTM at the bottom.

    About 1.1 M parameters with 12 `channels` in its first layer.
    """
    return HDemucs(
        sources=SOURCES,
        audio_channels=1,
        samplerate=SAMPLE_RATE,
        segment=segment_s,
        channels=channels,
        depth=5,
        nfft=1024,
        hybrid=False,
        cac=False,
        wiener_iters=-1,
        end_iters=-1,
        dconv_lstm=4,
        norm_starts=4,
    )


def hdemucs24() -> HDemucs:
    """`hdemucs` of twice the width, 4.5 M parameters: twice its time of a second of sound."""
    return hdemucs(channels=24)


def hdemucs36() -> HDemucs:
    """`hdemucs` of three times the width, 10.1 M parameters, over segments of 5 s."""
    return hdemucs(channels=36, segment_s=5)


def denoiser() -> Denoiser:
    """Causal waveform U-Net with an LSTM: a small DNS64 without its resampling.

    About 1.4 M parameters.

    DNS64 works on four times as many samples as it is given. At this size that costs ten times the
    time of a second of sound, in training too, and with four layers of stride 4 the LSTM steps
    every 16 ms either way.
    """
    return Denoiser(
        hidden=32,
        max_hidden=192,
        depth=4,
        stride=4,
        kernel_size=8,
        resample=1,
        causal=True,
        sample_rate=16_000,
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "htdemucs": htdemucs,
    "hdemucs": hdemucs,
    "hdemucs24": hdemucs24,
    "hdemucs36": hdemucs36,
    "denoiser": denoiser,
}


def build(name: str) -> nn.Module:
    """A freshly initialised network by name."""
    return NETWORKS[name]()


def count(model: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in model.parameters())
