"""How waveforms are passed through a network: shifts, overlap, batch size."""

from __future__ import annotations

from dataclasses import dataclass

from . import segments
from .network import Network
from .segments import Segment

#: What suits a GPU as `length_step_s`: clips of 3 to 10 s fall into some nine lengths, and a clip
#: grows by half of it in the mean.
CUDA_STEP_S = 1.0


@dataclass(frozen=True)
class Schedule:
    """How waveforms are passed through a network.

    shifts: passes at different offsets; 0 is one pass without a shift
    overlap: of segments, as a share of their length
    batch_size: segments in one forward pass, at most
    seed: of the offsets
    speech_only: nobody wants the sum of the other sources; a cached estimate has zeros there
    edge_context_s: of the waveform reflected at its ends, which the networks hear beyond them
    length_step_s: networks that take any length are given multiples of it, so that clips and shifts
        of like length share batches; what an input is given hangs on its own length alone. 0: its
        own length
    """

    shifts: int
    overlap: float
    batch_size: int
    seed: int
    speech_only: bool = False
    edge_context_s: float = 0.0
    length_step_s: float = 0.0

    def offsets(self, network: Network, content: str) -> list[int | None]:
        """The offset of each pass over an input of this `content`, in samples.

        `[None]` is one pass without a shift.
        """
        if not self.shifts:
            return [None]
        longest = longest_shift(network)
        return [
            segments.shift_offset(self.seed, network.signature, content, k, longest)
            for k in range(self.shifts)
        ]

    def edge_context(self, network: Network) -> int:
        """How much is heard beyond either end, in samples at the network's rate."""
        return round(self.edge_context_s * network.module.samplerate)

    def input_length(self, network: Network, segment: Segment) -> int:
        """How many samples the network is given for a segment."""
        return network.input_length(segment, self.length_step(network))

    def length_step(self, network: Network) -> int:
        """What the length of an input is a multiple of, in samples; 0 where it hangs on nothing."""
        return 0 if network.fixed else round(self.length_step_s * network.module.samplerate)

    def reach(self, network: Network) -> int:
        """How far an input is padded beyond the contexts at most, in samples: reflected too."""
        return -(-self.length_step(network) // 2)

    def plan(self, network: Network, samples: int, offset: int | None) -> list[Segment]:
        """The segments of one pass over a waveform of `samples` between its contexts.

        They count from the beginning of the first context. What would lie in a context alone is
        left out.
        """
        extra = self.edge_context(network)
        planned = segments.plan(
            samples + 2 * extra, offset, longest_shift(network), network.segment, self.overlap
        )
        return [
            one
            for one in planned
            if not extra or (one.start < extra + samples and one.start + one.length > extra)
        ]


def check_knobs(
    shifts: int,
    overlap: float,
    segment_s: float | None,
    batch_size: int | None,
    length_step_s: float,
) -> None:
    """Raise `ValueError` for a knob that no schedule can have."""
    if shifts < 0:
        raise ValueError(f"shifts={shifts} must be 0 or more")
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap={overlap} must be at least 0 and below 1")
    if segment_s is not None and segment_s < 1:
        raise ValueError(
            f"segment_s={segment_s} must be at least 1 second, or null for the network's own"
        )
    if batch_size is not None and batch_size < 1:
        raise ValueError(
            f"batch_size={batch_size} must be 1 or more, or null for what suits the device"
        )
    if not 0 <= length_step_s <= 10:
        raise ValueError(
            f"length_step_s={length_step_s} must be between 0 and 10 seconds; 0: its own length"
        )


def longest_shift(network: Network) -> int:
    """The largest offset of a shift, in samples at the network's rate."""
    return int(segments.MAX_SHIFT_S * network.module.samplerate)
