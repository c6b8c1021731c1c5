"""Context beyond the ends of a sound, reflected: what a network hears there instead of silence.

Networks whose input is padded with zeros answer "speech" where the sound breaks off, and music
bursts through in the last hundredth of a second: `experiments/edges` compares what to give them.
What they answer for the context is cut off again.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

#: Files are faded in and out over some hundredths of a second. Reflected with the fade, the music
#: has a gap at the end, which again sounds like speech: what is reflected begins this far inside.
SKIP_S = 0.04


def skipped(sample_rate: int) -> int:
    """`SKIP_S` in samples."""
    return round(SKIP_S * sample_rate)


def extended(waveform: Tensor, extra: int, skip: int = 0) -> Tensor:
    """A waveform with `extra` samples more at either end: itself, reflected.

    What is reflected ends `skip` samples before the end, of short sounds an eighth at most, and is
    reflected again and again where it is shorter than `extra`. Of no samples there is silence.

    Shape: `[..., samples]` -> `[..., extra + samples + extra]`; with `extra=0` it is the same
    tensor.

    >>> extended(torch.tensor([[1.0, 2.0, 3.0]]), 3).tolist()
    [[2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0]]
    """
    if not extra:
        return waveform
    samples = waveform.shape[-1]
    if not samples:
        return waveform.new_zeros(*waveform.shape[:-1], 2 * extra)
    skip = min(skip, samples // 8)
    inside = samples - 2 * skip
    period = max(1, 2 * (inside - 1))
    steps = torch.arange(1, extra + 1, device=waveform.device)
    before, after = -steps.flip(0) % period, (inside - 1 + steps) % period
    parts = [
        waveform[..., skip + (torch.minimum(place, period - place) if inside > 1 else place)]
        for place in (before, after)
    ]
    return torch.cat([parts[0], waveform, parts[1]], -1)


def extended_stream(chunks: Iterator[Tensor], extra: int, skip: int = 0) -> Iterator[Tensor]:
    """`extended` of a sound that comes in chunks `[..., some]`: the same samples."""
    if not extra:
        yield from chunks
        return
    held: Tensor | None = None
    for chunk in chunks:
        held = chunk if held is None else torch.cat([held, chunk], -1)
        if held.shape[-1] > extra + 8 * skip:
            break
    else:
        if held is not None:
            yield extended(held, extra, skip)
        return
    yield held[..., skip + 1 : skip + extra + 1].flip(-1)
    yield held
    kept = extra + skip + 1
    last = held[..., -kept:]
    for chunk in chunks:
        yield chunk
        last = torch.cat([last, chunk], -1)[..., -kept:]
    yield last[..., :extra].flip(-1)


def inner(pieces: Iterator[Tensor], extra: int, samples: int) -> Iterator[Tensor]:
    """Of a stream of pieces `[..., some]` what lies in `extra` to `extra + samples`."""
    if not extra:
        yield from pieces
        return
    start = 0
    for piece in pieces:
        first, end = max(0, extra - start), min(piece.shape[-1], extra + samples - start)
        start += piece.shape[-1]
        if first < end:
            yield piece[..., first:end]


def check(edge_context_s: float) -> None:
    """Raise `ValueError` for a length in seconds that no context can have."""
    if not 0 <= edge_context_s <= 10:
        raise ValueError(f"edge_context_s={edge_context_s} must be between 0 and 10 seconds")
