"""Former and present names of the classes that configs name by `_target_`; those of keys as well.

Logged runs, ledgers of batches and studies hold configs, or hashes of configs, with the names of
their time. Instantiation understands every former name (`current`); signatures are made of first
names (`first`), so that a class which moves changes no signature, and what was cleaned or tried
before stays known. Whoever moves or renames such a class adds or changes its line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .key_names import with_current_keys, with_first_keys

_PACKAGE = "speechclean."

#: The name under which each class was first recorded, and today's where that is another one; both
#: without the name of the package.
MOVED: Mapping[str, str] = {
    "batches.cluster.Cluster": "experiment.batch.ray_executor.RayActors",
    "batches.delivery.Tar": "experiment.batch.delivery.Tar",
    "batches.delivery.Zip": "experiment.batch.delivery.Zip",
    "batches.local.Local": "experiment.batch.local_executor.LocalWorkers",
    "datasets.finished.Finished": "stages.datasets.cleaned.Cleaned",
    "datasets.folder.Folder": "stages.datasets.folder.Folder",
    "datasets.manifest.Manifest": "stages.datasets.manifest.Manifest",
    "datasets.manifest.Pilot": "stages.datasets.manifest.Pilot",
    "enhancement.denoiser.Denoiser": "stages.enhancement.denoiser.Denoiser",
    "enhancement.identity.Identity": "stages.enhancement.identity.Identity",
    "fusion.geometric_mask.GeometricMask": "stages.fusion.geometric_mask.GeometricMask",
    "fusion.max_mask.MaxMask": "stages.fusion.max_mask.MaxMask",
    "fusion.mean_mask.MeanMask": "stages.fusion.mean_mask.MeanMask",
    "fusion.median_mask.MedianMask": "stages.fusion.median_mask.MedianMask",
    "fusion.min_mask.MinMask": "stages.fusion.min_mask.MinMask",
    "guard.Fallback": "stages.guard.Fallback",
    "guard.NoGuard": "stages.guard.NoGuard",
    "metrics.bandwidth_hz.Bandwidth": "stages.metrics.bandwidth_hz.Bandwidth",
    "metrics.cer.Cer": "stages.metrics.former.Cer",
    "metrics.estoi.Estoi": "stages.metrics.estoi.Estoi",
    "metrics.lsd.Lsd": "stages.metrics.lsd.Lsd",
    "metrics.lufs.Lufs": "stages.metrics.lufs.Lufs",
    "metrics.music_presence.MusicPresence": "stages.metrics.music_presence.MusicPresence",
    "metrics.music_presence_max.MusicPresenceMax": (
        "stages.metrics.music_presence_max.MusicPresenceMax"
    ),
    "metrics.music_residual_db.MusicResidual": "stages.metrics.music_residual_db.MusicResidual",
    "metrics.music_to_speech_db.MusicToSpeech": "stages.metrics.music_to_speech_db.MusicToSpeech",
    "metrics.pesq.Pesq": "stages.metrics.pesq.Pesq",
    "metrics.sdr.Sdr": "stages.metrics.sdr.Sdr",
    "metrics.si_sar.SiSar": "stages.metrics.si_sar.SiSar",
    "metrics.si_sdr.SiSdr": "stages.metrics.si_sdr.SiSdr",
    "metrics.si_sir.SiSir": "stages.metrics.si_sir.SiSir",
    "metrics.squim.Squim": "stages.metrics.squim.Squim",
    "metrics.squim_pesq.SquimPesq": "stages.metrics.squim_pesq.SquimPesq",
    "metrics.squim_si_sdr.SquimSiSdr": "stages.metrics.squim_si_sdr.SquimSiSdr",
    "metrics.stoi.Stoi": "stages.metrics.stoi.Stoi",
    "metrics.true_peak_dbtp.TruePeak": "stages.metrics.true_peak_dbtp.TruePeak",
    "metrics.wer.Wer": "stages.metrics.former.Wer",
    "metrics.wer_vs_mixture.WerVsMixture": "stages.metrics.former.WerVsMixture",
    "metrics.wer_whisper.WerWhisper": "stages.metrics.wer_whisper.WerWhisper",
    "postprocess.beta_wiener.BetaWiener": "stages.postprocess.beta_wiener.BetaWiener",
    "postprocess.loudness.Loudness": "stages.postprocess.loudness.Loudness",
    "screening.MusicFound": "stages.screening.MusicFound",
    "screening.NoScreening": "stages.screening.NoScreening",
    "separators.demucs.DemucsSeparator": "stages.separators.demucs.DemucsSeparator",
    "separators.local.LocalSeparator": "stages.separators.local.LocalSeparator",
    "separators.roformer.RoformerSeparator": "stages.separators.roformer.RoformerSeparator",
    "tracking.MlflowTracker": "records.tracking.MlflowTracker",
    "tracking.NoTracker": "records.tracking.NoTracker",
    "verdict.Thresholds": "records.results.verdict.Thresholds",
}
#: Names that some classes had after their first and before today's, by which they are recorded too.
BETWEEN: Mapping[str, str] = {
    "stages.datasets.finished.Finished": "datasets.finished.Finished",
    "stages.metrics.cer.Cer": "metrics.cer.Cer",
    "stages.metrics.wer.Wer": "metrics.wer.Wer",
    "stages.metrics.wer_vs_mixture.WerVsMixture": "metrics.wer_vs_mixture.WerVsMixture",
}
_TODAY = {**MOVED, **{name: MOVED[before] for name, before in BETWEEN.items()}}
_FIRST = {**{now: before for before, now in MOVED.items()}, **BETWEEN}


def current(target: str) -> str:
    """Today's name of a class.

    >>> current("speechclean.guard.NoGuard")
    'speechclean.stages.guard.NoGuard'
    """
    return _renamed(target, _TODAY)


def first(target: str) -> str:
    """The name under which a class was first recorded.

    >>> first("speechclean.stages.guard.NoGuard")
    'speechclean.guard.NoGuard'
    """
    return _renamed(target, _FIRST)


def with_current(node: Any) -> Any:
    """A plain config, or a part of one, with today's name in every `_target_`.

    Keys have today's names too, as far as `node` has all that is above them.
    """
    return _targets(with_current_keys(node), _TODAY)


def with_first(node: Any) -> Any:
    """As `with_current`, with the first names."""
    return _targets(with_first_keys(node), _FIRST)


def _renamed(target: str, names: Mapping[str, str]) -> str:
    own = target.removeprefix(_PACKAGE)
    return _PACKAGE + names[own] if target.startswith(_PACKAGE) and own in names else target


def _targets(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, Mapping):
        return {
            key: _renamed(value, names)
            if key == "_target_" and isinstance(value, str)
            else _targets(value, names)
            for key, value in node.items()
        }
    return [_targets(item, names) for item in node] if isinstance(node, list) else node
