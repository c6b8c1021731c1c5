"""Words that Whisper base hears, counted."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jiwer
from whisper.normalizers import EnglishTextNormalizer

from speechclean.audio.waveform import Audio
from speechclean.networks.weights import published_files

RATE = 16000


@cache
def _ears() -> tuple[Any, Any]:
    from faster_whisper import WhisperModel

    files = {Path(path).name: path.read_bytes() for path in published_files("whisper_base_ct2")}
    files["preprocessor_config.json"] = b"{}"  # the spectrogram's settings are Whisper's own
    model = WhisperModel("whisper_base", device="cpu", compute_type="int8", files=files)
    return model, EnglishTextNormalizer()


def words(sound: Audio, text: str) -> tuple[int, int, int]:
    """Words said, lost (deletions and substitutions) and invented (insertions), in English."""
    model, normal = _ears()
    pieces, _ = model.transcribe(
        sound.waveform.mean(0).numpy(),
        language="en",
        beam_size=1,
        condition_on_previous_text=False,
        without_timestamps=True,
    )
    wanted, said = normal(text), normal(" ".join(piece.text for piece in pieces))
    found = jiwer.process_words(wanted, said)
    return len(wanted.split()), found.substitutions + found.deletions, found.insertions
