"""Published weights: found where users have them, fetched on request, verified.

bags          which networks make up a model of demucs
published     files of published models by their names
missing       what to say when something is not there
fetch         get a file, resumed and verified
packages      files that travel inside packages of the package index
fetch_errors  what a fetch can fail with
search_path   the folders that are looked through, and what is known of a file's content
registry      what there is: `assets/weights.yaml`
"""

from .bags import Bag, demucs_bag
from .missing import MissingWeights
from .published import DENOISERS, EMBEDDED, denoiser_file, published_file, published_files
from .search_path import folders, locate, prefer, preferring, sha256, verified

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
    "preferring",
    "published_file",
    "published_files",
    "sha256",
    "verified",
]
