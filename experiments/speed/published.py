r"""Random weights in the published architectures, in the very files that their publishers serve.

    python -m experiments.speed.published FOLDER [--metrics] [--roformers]

writes into FOLDER, under the names that `speechclean weights` would give them: `htdemucs_ft` as the
hub's safetensors, two networks of `mdx_extra_q`, quantised by DiffQ, as the legacy server's pickles
and two as the hub's safetensors, and `dns64.th`, since the published name holds a sha256 that
random weights do not have. With `--metrics` also Whisper's `base.en.pt`, PANNs' Cnn14 and SQUIM
(0.5 GB), with `--roformers` both published RoFormers with their configs (1.6 GB).

    speechclean experiment=best_pipeline weights.dir=FOLDER \
        enhancement.model=FOLDER/dns64.th dataset=folder dataset.pattern=...
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.support import published_weights

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metrics", action="store_true")
    parser.add_argument("--roformers", action="store_true")
    options = parser.parse_args()
    published_weights.write(options.folder)
    if options.metrics:
        published_weights.write_metrics(options.folder)
    for each in published_weights.ROFORMERS if options.roformers else ():
        published_weights.write_roformer(options.folder, each)
