"""A file's sound, in memory or on the disk, or the reason why there is none."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from speechclean.audio.sound_files import TooLongError, load, probe
from speechclean.audio.stream import LongAudio
from speechclean.audio.waveform import Audio, AudioError

#: Values per second of the widest sound that is held in memory for `stream_above_s`, eight channels
#: at 48 kHz: wider ones take more memory than that, and pass through the disk sooner.
WIDEST = 8 * 48000


def read(
    path: Path, stream_above_s: float, max_decoded_gb: float | None = None
) -> tuple[Audio | LongAudio | None, str]:
    """The sound, or the reason why there is none; of a long one only the length is read.

    Long is what lasts longer than `stream_above_s`, or takes the memory of `WIDEST` as long.
    """
    try:
        info = probe(path)
        most = int(stream_above_s * min(info.sample_rate * info.channels, WIDEST))
        allowed = most if max_decoded_gb is None else min(most, int(max_decoded_gb * 1e9 / 4))
        if info.samples * info.channels <= allowed:  # by its header, which may be wrong
            with suppress(TooLongError):
                return load(path, allowed), ""
        sound = LongAudio.of(path, max_decoded_gb)
        return (load(path) if sound.samples * sound.channels <= most else sound), ""
    except AudioError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is this file's failure)
        return None, f"{path}: cannot be read ({type(error).__name__}: {error})"
