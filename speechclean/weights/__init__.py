"""Published weights: found where users have them, fetched on request, verified.

table      what there is: `assets/weights.yaml`
places     where files lie, what is missing
fetch      get a file, resumed and verified
__main__   the command: python -m speechclean.weights list | fetch | verify | where
"""

from .places import (
    DENOISERS,
    EMBEDDED,
    Bag,
    MissingWeights,
    demucs_bag,
    denoiser_file,
    folders,
    locate,
    prefer,
    published_file,
    published_files,
    sha256,
    verified,
)

__all__ = [
    "DENOISERS",
    "EMBEDDED",
    "Bag",
    "MissingWeights",
    "demucs_bag",
    "denoiser_file",
    "folders",
    "locate",
    "prefer",
    "published_file",
    "published_files",
    "sha256",
    "verified",
]
