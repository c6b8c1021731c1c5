"""Packages that not every installation has, and the extra of this package that brings each.

The core cleans. What judges, records and searches is asked for by name (`pip install
'speechclean[metrics]'`), and this is the one place that says what is missing and how to get it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec

# One text, since a library's name alone in quotes counts as used by all that imports this module
# (`networks.cache.code`). Import names; behind `=` the name on the package index, where it differs.
_TABLE = """
tracking:       mlflow psutil pynvml=nvidia-ml-py
sweep:          optuna plotly hydra_plugins.hydra_joblib_launcher=hydra-joblib-launcher
metrics:        fast_bss_eval onnxruntime panns_inference=panns-inference pesq pystoi
                silero_vad=silero-vad torchaudio
whisper:        ctranslate2 faster_whisper=faster-whisper jiwer whisper=openai-whisper
roformer:       bs_roformer=bs-roformer-infer mel_band_roformer=melband-roformer-infer
ray:            ray
slurm:          hydra_plugins.hydra_submitit_launcher=hydra-submitit-launcher submitit
ui:             gradio
postgres:       psycopg
noncommercial:  denoiser
"""
#: Of all extras, those that `speechclean[all]` leaves out: they are for machines, licences and
#: services that not everybody has.
APART = ("roformer", "ray", "slurm", "postgres", "noncommercial")
# denoiser asks for a Hydra of 2020, which it does not use for what is needed here: no installer
# would take both, so that it cannot stand in an extra.
_BY_ITSELF = """
denoiser: --no-deps denoiser==0.1.5
"""


class MissingPackage(ImportError):  # noqa: N818 (reads as what it says)
    """A package that is asked for and not installed; the message says how to get it."""


def table() -> dict[str, dict[str, str]]:
    """Of each extra its packages: their names on the index by those under which they are imported.

    >>> table()["whisper"]["whisper"]
    'openai-whisper'
    """
    found: dict[str, dict[str, str]] = {}
    for word in _TABLE.split():
        if word.endswith(":"):
            packages = found[word.removesuffix(":")] = {}
        else:
            name, _, on_the_index = word.partition("=")
            packages[name] = on_the_index or name
    return found


def missing(packages: Iterable[str]) -> list[str]:
    """Those of some packages, by the names under which they are imported, that are not there.

    >>> missing(["torch", "no_such_package.part"])
    ['no_such_package.part']
    """
    return [name for name in packages if not _is_there(name)]


def how_to_get(packages: Iterable[str]) -> str:
    """The command that gets packages: their extras, or of more than two of `all` that.

    >>> how_to_get(["pesq", "pystoi", "jiwer"])
    "pip install 'speechclean[metrics,whisper]'"
    >>> how_to_get(["pesq", "mlflow", "jiwer", "ray"])
    "pip install 'speechclean[all,ray]'"
    >>> how_to_get(["denoiser"])
    'pip install --no-deps denoiser==0.1.5'
    """
    wanted = list(packages)
    alone = dict(line.split(": ") for line in _BY_ITSELF.split("\n") if line)
    commands = [f"pip install {alone[name]}" for name in wanted if name in alone]
    extras = list(dict.fromkeys(_extra_of(name) for name in wanted if name not in alone))
    apart = [extra for extra in extras if extra in APART]
    if len(extras) - len(apart) > 2:
        extras = ["all", *apart]
    if extras:
        commands.insert(0, f"pip install 'speechclean[{','.join(extras)}]'")
    return " and ".join(commands)


def require(what: str, *packages: str, otherwise: str = "") -> None:
    """Raise `MissingPackage` unless all packages are there.

    `what` needs them, in the user's words; `otherwise` is how to go on without.
    """
    if absent := missing(packages):
        raise MissingPackage(explained(what, absent, otherwise), name=absent[0])


def explained(what: str, absent: Iterable[str], otherwise: str = "") -> str:
    """What is said where packages are not there.

    >>> explained("metrics.pesq", ["pesq"], "leave it out of metrics=[...]")
    "metrics.pesq: pesq is not installed; pip install 'speechclean[metrics]', or leave it out of \
metrics=[...]"
    """
    names = [on_the_index(name) for name in absent]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    be = "are" if len(names) > 1 else "is"
    without = f", or {otherwise}" if otherwise else ""
    return f"{what}: {listed} {be} not installed; {how_to_get(absent)}{without}"


def on_the_index(package: str) -> str:
    """The name on the package index of what is imported as `package`."""
    return table().get(_extra_of(package), {}).get(package, package)


def _extra_of(package: str) -> str:
    """The extra that brings a package. Raises `KeyError` for one that no extra brings."""
    try:
        return next(extra for extra, names in table().items() if package in names)
    except StopIteration:
        raise KeyError(f"{package}: no extra brings it; name it in system/extras.py") from None


@cache
def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False
