"""Published weights: found where users have them, fetched on request, verified.

table      what there is: `assets/weights.yaml`
places     the folders that are looked through, and what is known of a file's content
missing    what to say when something is not there
published  files of published models by their names
bags       which networks make up a model of demucs
fetch      get a file, resumed and verified
__main__   the command: python -m speechclean.weights list | fetch | verify | where
"""

from .bags import Bag, demucs_bag
from .missing import MissingWeights
from .places import folders, locate, prefer, sha256, verified
from .published import DENOISERS, EMBEDDED, denoiser_file, published_file, published_files

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
