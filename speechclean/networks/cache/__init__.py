"""A disk cache of what is expensive, so that a sweep computes only what changed.

    contents        what a cache folder holds, and how much of it is stale
    metric_values   metrics of mixtures, which are the same in every trial
    disk            entries on the disk, bounded, shared by processes; `NoCache` that only counts
    packing         a tensor and its description as bytes: exact, checked, smaller than raw
    tally           hits and misses, and what the hits saved
    keys            samples and the machine's arithmetic, as parts of keys
    code            the code that an answer depends on, found by following imports

Separators cache each network's estimate per file and shift, the denoiser its own output before the
wet mix. A key holds everything that can change a bit, so a hit gives what would have been computed.
(On a GPU a batch's size rounds too, at 1e-8; there a hit gives what one of the batches gave.)
"""

from .disk import Cache, DiskCache, NoCache, default_dir
from .tally import Cost, Tally

__all__ = ["Cache", "Cost", "DiskCache", "NoCache", "Tally", "default_dir"]
