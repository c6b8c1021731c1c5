"""What is expensive is computed once: a content-addressed store of estimates, so that a sweep
computes only what changed.

    metric_values   metrics of mixtures, which are the same in every trial
    disk            entries on the disk, bounded, shared by processes; `NoCache` that only counts
    packing         a tensor and its description as bytes: exact, checked, smaller than raw
    tally           what was computed, what was reused, and what that saved
    keys            what else an estimate depends on: code, packages, arithmetic of the machine

Separators keep each network's estimate per file and shift, the denoiser its own output before the
wet mix. A key holds
everything that can change a bit: so what comes out of the store is what would have been computed,
or it is not found. (On a GPU a batch's size rounds too, at 1e-8; there the store gives what one of
the batches gave.)
"""

from .disk import Cache, DiskCache, NoCache, default_dir
from .tally import Cost, Tally

__all__ = ["Cache", "Cost", "DiskCache", "NoCache", "Tally", "default_dir"]
