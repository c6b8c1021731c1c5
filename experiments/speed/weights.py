"""Write random weights in the published architectures and demucs' own file format.

Speed does not depend on what was learnt.

    python -m experiments.speed.weights FOLDER

writes `htdemucs_ft` (four HTDemucs, each answering for one source), `mdx_extra_q` (four HDemucs,
equal weights, not quantised) and `dns64.th` into FOLDER, about 1 GB at half precision.
`experiments.speed.published` writes the same networks in the files that their publishers serve.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.support import random_weights

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    random_weights.write(parser.parse_args().folder)
