"""Whether the voice stays that voice."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import avg_pool1d, max_pool1d

from speechclean.audio.waveform import resample
from speechclean.networks.weights import published_file
from speechclean.stages.types import Separation, Track
from speechclean.system.device import torch_device

from .reference import aligned_reference, in_mono
from .speaker_encoder import RATE, load

#: The encoder hears how loud a voice is; this is the level that quiet ones were trained at.
LEVEL_DBFS = -30.0
#: A reference speaks where it is less than this below its loudest moment.
BELOW_LOUDEST_DB = 40.0
#: Less speech than this tells no voice.
LEAST_S = 0.25
#: Seconds over which a level is taken, windows over which it is smoothed, and by which speech is
#: extended on both sides: as in Resemblyzer.
_WINDOW_S, _SMOOTHED, _EXTENDED = 0.03, 9, 3


@dataclass(frozen=True)
class SpeakerSimilarity:
    """Cosine of the speaker embeddings of the speech and of the clean reference, 0 to 1.

    Wan et al., "Generalized End-to-End Loss for Speaker Verification", ICASSP 2018, with the
    weights of Resemblyzer. 1 for the same sound; other speech of one voice has 0.95 or so, another
    voice 0.65.

    Only what lies where the reference speaks is heard, channels averaged, at one level. None
    without a reference, for silence, and for less than a quarter of a second of speech.
    """

    device: str = "auto"

    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None] = True
    reads_mask: ClassVar[bool] = False
    needs: ClassVar[str] = "reference"

    def __post_init__(self) -> None:
        torch_device(self.device)

    def weight_files(self) -> dict[str, Path]:
        """The file that would be loaded. Raises `MissingWeights`, before anything is loaded."""
        return {"resemblyzer": self._file}

    def load(self) -> None:
        """Load the network now. Raises `CheckpointError`, `MissingWeights`."""
        load(self._file, str(torch_device(self.device)))

    def __call__(self, separation: Separation, track: Track) -> float | None:
        """The cosine."""
        reference = aligned_reference(separation, track)
        if reference is None:
            return None
        device = torch_device(self.device)
        clean, judged = (
            resample(audio, RATE).waveform[0].detach().to(device)
            for audio in in_mono(reference, separation.speech)
        )
        speaks = speech_of(clean)
        clean, judged = clean[speaks], judged[speaks]
        if len(clean) < LEAST_S * RATE or not judged.any() or not judged.isfinite().all():
            return None
        encoder = load(self._file, str(device))
        return float(encoder.embedding(levelled(clean)) @ encoder.embedding(levelled(judged)))

    @functools.cached_property
    def _file(self) -> Path:
        return published_file("resemblyzer")


def speech_of(clean: Tensor) -> Tensor:
    """Where a clean voice `[samples]` at 16 kHz speaks: booleans `[samples]`."""
    length = round(_WINDOW_S * RATE)
    power = avg_pool1d(clean.square()[None], length, ceil_mode=True)
    smooth = avg_pool1d(power, _SMOOTHED, 1, _SMOOTHED // 2, count_include_pad=False)
    loud = smooth > smooth.amax() * 10 ** (-BELOW_LOUDEST_DB / 10)
    near = max_pool1d(loud.float(), 2 * _EXTENDED + 1, 1, _EXTENDED)[0] > 0
    return near.repeat_interleave(length)[: len(clean)]


def levelled(sound: Tensor) -> Tensor:
    """A sound `[samples]`, not silent, brought to `LEVEL_DBFS`."""
    return sound * (10 ** (LEVEL_DBFS / 20) / sound.square().mean().sqrt().clamp(min=1e-12))
