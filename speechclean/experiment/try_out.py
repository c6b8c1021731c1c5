"""Files cleaned to be heard: within limits, with the player's page and the words that were lost.

Each file stands alone: whatever is wrong with it, or cannot be measured, is said in words.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import torch

from speechclean.audio.sound_files import TooLongError, load, measured, probe
from speechclean.audio.waveform import AudioError
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights
from speechclean.records.results import player
from speechclean.records.results.ab_clips import write_snippets
from speechclean.stages.metrics.alignment import lost_words
from speechclean.stages.metrics.words_lost import WordsLost
from speechclean.stages.types import Separation, Track
from speechclean.system.extras import MissingPackage, require

from .clean import Outcome
from .cleaner import Cleaner, written

log = logging.getLogger(__name__)
#: Length of what is heard, in seconds: of a longer file the stretch with most music.
HEARD_S = 60.0
#: The recogniser, as a run has it.
RECOGNISER = WordsLost()


@dataclass(frozen=True)
class Limits:
    """What a file may be: its size in MB, its length in minutes."""

    mb: float = 200
    minutes: float = 15

    def refusal(self, path: Path) -> str:
        """Why a file is not cleaned, "" if nothing speaks against it.

        It is decoded only where its header cannot be trusted with the length.
        """
        size = path.stat().st_size / 1e6
        if size > self.mb:
            return f"{path}: too large, {size:.1f} MB where {self.mb:g} MB are the most"
        try:
            info = probe(path)
            most = int(60 * self.minutes * info.sample_rate)
            if info.samples > most:
                return self._too_long(path, f"{info.samples / info.sample_rate / 60:.1f} minutes")
            measured(path, 4e-9 * most * info.channels)  # a header may promise less than there is
        except TooLongError:
            return self._too_long(path, "longer than its header says")
        except AudioError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is this file's failure)
            return f"{path}: cannot be read ({type(error).__name__}: {error})"
        return ""

    def _too_long(self, path: Path, length: str) -> str:
        most = f"{self.minutes:g} minute{'s'[: self.minutes != 1]}"
        return f"{path}: too long, {length} where {most} are the most"


@dataclass(frozen=True)
class Words:
    """A text's words in normal form, and the places of those that a recogniser lost."""

    said: Sequence[str]
    lost_in_mixture: Sequence[int]
    lost_in_cleaned: Sequence[int]


@dataclass(frozen=True)
class Heard:
    """What became of a file.

    name: as it was given
    output: the cleaned file; page: the page that plays it; both None where there is a `reason`
    words: where a text was given; None where that could not be measured, for the reason in `note`
    """

    name: str
    reason: str = ""
    output: Path | None = None
    page: Path | None = None
    seconds: float = 0.0
    words: Words | None = None
    note: str = ""


@dataclass
class TryOut:
    """Cleans files one by one. Networks are loaded once for each preset, and kept.

    device, overrides: as in `Cleaner`
    """

    limits: Limits = Limits()
    device: str = "auto"
    overrides: Sequence[str] = ()
    _cleaners: dict[str, Cleaner] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def cleaner(self, preset: str) -> Cleaner:
        """The cleaner of a preset, made when it is first asked for. Raises `ConfigError`."""
        with self._lock:
            if preset not in self._cleaners:
                made = Cleaner(preset, device=self.device, overrides=self.overrides)
                self._cleaners[preset] = made
            return self._cleaners[preset]

    def clean(self, preset: str, path: Path, folder: Path, text: str = "") -> Heard:
        """Clean a file into an empty folder of its own, under its own name.

        text: what is said in it; empty where that is not known

        Raises `ConfigError` for the preset; whatever is wrong with the file is in the answer.
        """
        cleaner = self.cleaner(preset)
        reason = self.limits.refusal(path)
        if not reason:
            try:
                for outcome in cleaner.outcomes([path]):
                    return self._heard(outcome, path, folder, text)
            except Exception as error:  # it must cost neither the page nor the other files
                log.exception("%s", path)
                reason = f"{path}: {type(error).__name__}: {error}"
        return Heard(path.name, _without_folders(reason, path, folder))

    def _heard(self, outcome: Outcome, path: Path, folder: Path, text: str) -> Heard:
        # Others become a wav, as in `Cleaner.clean_files`.
        kept = path.suffix.lower() in (".wav", ".flac")
        output = folder / (path.name if kept else f"{path.stem}.wav")
        done = written(outcome, path, output)
        if done.output is None:
            return Heard(path.name, _without_folders(done.reason, path, folder))
        separation = outcome.separation
        if separation is None:
            assert outcome.long is not None
            separation = outcome.long.excerpt(HEARD_S)
        info = probe(output)
        seconds = info.samples / info.sample_rate
        write_snippets(separation.cpu(), "clip", folder / "ab", HEARD_S)
        why = f"{seconds:.1f} s" if seconds <= HEARD_S else f"the {HEARD_S:g} s with most music"
        page = folder / "listen.html"
        clip = player.clip(folder / "ab", "clip", why, path.name)
        page.write_text(player.listening_page(clip), encoding="utf-8")
        words, note = _words(path, output, text)
        return Heard(path.name, "", output, page, seconds, words, note)


def _words(path: Path, output: Path, text: str) -> tuple[Words | None, str]:
    """The words that are lost in a mixture and in what became of it, or why nobody knows."""
    if not text.strip():
        return None, ""
    try:
        require("words", *RECOGNISER.needs_packages)
        mixture, cleaned = load(path), load(output)
        separation = Separation(mixture, cleaned, torch.ones(1, 1, 1))
        track = Track("file", path, transcript=text)
        found = [RECOGNISER.texts(one, track) for one in (separation.before(), separation)]
        if found[0] is None or found[1] is None:
            return None, "there is no word in the text"
        before, after = (lost_words(*texts) for texts in found if texts)
        return Words(found[0][0].split(), before, after), ""
    except (MissingWeights, MissingPackage, CheckpointError) as error:
        return None, f"the words could not be heard: {error}"
    except Exception as error:  # the cleaned file is there, whatever becomes of its words
        log.exception("%s", path)
        return None, f"the words could not be heard ({type(error).__name__}: {error})"


def _without_folders(reason: str, path: Path, folder: Path) -> str:
    """Where files lie for a while is nobody's concern."""
    return reason.replace(f"{path.parent}/", "").replace(f"{folder}/", "")
