"""A process that is not speechclean's own, and whether using the package changes its settings.

`python -m tests.support.host FOLDER` imports every module, builds the default config, and cleans
and measures a sound in each of the ways that there are. It prints JSON: which settings differ
`after` that, and which are noticed when each of them is changed on purpose (`planted`).
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import locale
import logging
import os
import pkgutil
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

#: What these set when they are imported is their own affair: they come before anything is noted.
LIBRARIES = [
    "av",
    "ctranslate2",
    "demucs.htdemucs",
    "denoiser",
    "diffq",
    "fast_bss_eval",
    "faster_whisper",
    "filelock",
    "hydra",
    "jiwer",
    "librosa.filters",
    "matplotlib.pyplot",
    "mlflow",
    "omegaconf",
    "onnxruntime",
    "optuna",
    "pesq",
    "plotly",
    "psutil",
    "pyloudnorm",
    "pystoi",
    "requests",
    "torchlibrosa.stft",
    "rich.console",
    "rich.progress",
    "scipy.linalg",
    "scipy.signal",
    "sqlalchemy",
    "threadpoolctl",
    "torchaudio",
    "whisper",
]
FLAGS = {
    "matmul precision": lambda: torch.get_float32_matmul_precision(),
    "cudnn": lambda: [
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.enabled,
    ],
    "torch modes": lambda: [
        str(torch.get_default_dtype()),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.mkldnn.enabled,
    ],
    "torch threads": lambda: torch.get_num_threads(),
    "default torch threads": lambda: in_a_new_thread(torch.get_num_threads),
    "torch generator": lambda: torch.get_rng_state().tolist(),
    "numpy generator": lambda: [str(part) for part in np.random.get_state()],
    "numpy errors": lambda: np.geterr(),
    "random generator": lambda: str(random.getstate()),
    "blas": lambda: blas(),
    "malloc": lambda: large_blocks_are_mapped(),
    "environment": lambda: dict(os.environ),
    "logging": lambda: loggers(),
    "warnings": lambda: [[str(one) for one in warnings.filters], str(warnings.showwarning)],
    "signals": lambda: [
        str(signal.getsignal(one)) for one in sorted(signal.valid_signals()) if one < 32
    ],
    "folder": lambda: os.getcwd(),  # noqa: PTH109
    "umask": lambda: umask(),
    "locale": lambda: locale.setlocale(locale.LC_ALL),
    "hooks": lambda: [str(sys.excepthook), str(threading.excepthook), str(sys.displayhook)],
    "streams": lambda: [id(sys.stdout), id(sys.stderr)],
    "interpreter": lambda: [
        sys.getswitchinterval(),
        sys.getrecursionlimit(),
        gc.get_threshold(),
        sys.path,
    ],
}
#: A change of each kind.
PLANTED: dict[str, Callable[[], object]] = {
    "matmul precision": lambda: torch.set_float32_matmul_precision("high"),
    "cudnn": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "torch modes": lambda: torch.set_grad_enabled(False),
    "torch threads": lambda: torch.set_num_threads(1),
    "default torch threads": lambda: in_a_new_thread(lambda: torch.set_num_threads(5)),
    "torch generator": lambda: torch.rand(1),
    "numpy generator": lambda: np.random.rand(),
    "numpy errors": lambda: np.seterr(all="raise"),
    "random generator": random.random,
    "blas": lambda: importlib.import_module("speechclean.system.parallel").limit_blas(),
    "malloc": lambda: importlib.import_module("speechclean.system.allocator").keep_freed_memory(),
    "environment": lambda: os.environ.update(SPEECHCLEAN_WEIGHTS="x"),
    "logging": lambda: setattr(logging, "raiseExceptions", False),
    "warnings": lambda: warnings.filterwarnings("ignore", message="planted"),
    "signals": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    "folder": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o77),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"),
    "hooks": lambda: setattr(sys, "excepthook", print),
    "streams": lambda: setattr(sys, "stderr", open(os.devnull, "w")),  # noqa: PTH123
    "interpreter": lambda: sys.setswitchinterval(0.1),
}


def in_a_new_thread(work: Callable[[], Any]) -> Any:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    thread.join()
    return answers[0]


def blas() -> dict[str, int]:
    from threadpoolctl import threadpool_info

    return {
        one["filepath"]: one["num_threads"]
        for one in threadpool_info()
        if one["user_api"] == "blas"
    }


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def large_blocks_are_mapped() -> bool | None:
    """Whether malloc gives 64 MB a map of its own; None where it cannot be asked."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _Mallinfo2
    before = library.mallinfo2().hblks
    block = np.empty(8_000_000)
    mapped = library.mallinfo2().hblks > before
    del block
    return bool(mapped)


def loggers() -> list[Any]:
    named = {
        name: [one.level, one.disabled, one.propagate, [str(each) for each in one.handlers]]
        for name, one in logging.Logger.manager.loggerDict.items()
        if isinstance(one, logging.Logger)
        and (one.level or one.handlers or one.disabled or not one.propagate)
    }
    root = logging.getLogger()
    return [
        logging.raiseExceptions,
        logging.root.manager.disable,
        root.level,
        [str(each) for each in root.handlers],
        named,
    ]


def umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


def noted() -> dict[str, Any]:
    return {kind: read() for kind, read in FLAGS.items()}


def differing(before: dict[str, Any]) -> dict[str, list[str]]:
    now = noted()
    return {
        kind: [str(before[kind])[-500:], str(now[kind])[-500:]]
        for kind in FLAGS
        if before[kind] != now[kind]
    }


def use(folder: Path) -> None:
    """Everything that somebody who imports the package would do with it."""
    import speechclean

    for module in pkgutil.walk_packages(speechclean.__path__, "speechclean."):
        if "__main__" not in module.name and "by_module" not in module.name:
            importlib.import_module(module.name)
    from speechclean.audio.sound_files import save
    from speechclean.experiment.clean import Batching, clean
    from speechclean.experiment.config.build import build
    from speechclean.experiment.config.compose import composed
    from speechclean.experiment.load_networks import load
    from speechclean.experiment.measure import measure
    from speechclean.stages.datasets.manifest import Pilot
    from speechclean.stages.metrics.music_presence import architecture
    from speechclean.stages.types import Track

    here = f"output.dir={folder}"
    built = build(composed([here, "tracking=none", "device=cpu", "screening=music"]))
    pilot = min(Pilot().tracks(), key=lambda track: track.path.stat().st_size)
    paths = []
    for name, path in (("mixture", pilot.path), ("reference", pilot.reference_path)):
        sound = importlib.import_module("speechclean.audio.sound_files").load(path)
        paths.append(
            save(
                sound.with_waveform(sound.waveform[:, : 4 * sound.sample_rate]),
                folder / f"{name}.wav",
            )
        )
    track = Track("clip", paths[0], paths[1], pilot.transcript)
    load(built)
    for stream_above_s in (60.0, 1.0):
        for outcome in clean([track], built.pipeline, Batching(4, 60, stream_above_s, folder)):
            assert not outcome.reason, outcome.reason
            if outcome.separation is not None:
                values = measure(built.metrics, outcome.separation, track)
                missing = {name for name, value in values.items() if value is None}
                assert not {f"{name}_cleaned" for name in ("estoi", "pesq", "wer")} & missing
    with ThreadPoolExecutor(2) as pool:  # a host may do so
        (outcome,) = clean([track], built.pipeline, Batching(1, 60, 60, folder))
        assert outcome.separation is not None
        mixture = outcome.separation.mixture
        list(pool.map(lambda _: built.pipeline([mixture]), range(4)))
    built.screening.finds_music(mixture)
    architecture()


def main(folder: Path) -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    torch.set_num_threads(2)
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    before = noted()
    before = noted()  # what the first look itself brings about is none of the package's doing
    use(folder)
    after = differing(before)
    planted = {}
    stderr = sys.stderr
    for kind, plant in PLANTED.items():
        before = noted()
        plant()
        planted[kind] = sorted(differing(before))
        sys.stderr = stderr
    print(json.dumps({"after": after, "planted": planted}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
