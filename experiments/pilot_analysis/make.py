"""Write pilot_analysis.ipynb from its cells below, without outputs.

`python -m experiments.pilot_analysis.make`.

`--execute` runs it and keeps the pictures; the tests run it too, so that it never rots.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).parent

INTRO = """# What happens to one file

Waveform, spectrogram and mask of a mixture before and after cleaning: first a clip of the pilot,
then **any file: change `PATH` below**. Cells run from top to bottom in about half a
minute on two cores."""

SETUP = """\
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from IPython.display import Audio as Player
from IPython.display import Image, Markdown, display

from speechclean.audio.sound_files import load
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.experiment.measure import measure
from speechclean.records.results import ab_clips, spectrograms
from speechclean.stages.datasets.manifest import Pilot
from speechclean.stages.types import Track

PILOT = Pilot().tracks()
#: The file to look at. Another: PATH = Path("my/recording.wav"); there is no reference then, and
#: what needs one stays empty.
PATH = PILOT[0].path
#: What of the config to change, as on the command line.
OVERRIDES = []"""

RUN = """\
cfg = composed(["tracking=none", *OVERRIDES], with_hydra=True)
cfg.output.dir = tempfile.gettempdir()  # nothing is written there; a run would
cfg.name = "notebook"
experiment = build(cfg)
track = next((one for one in PILOT if one.path == PATH), Track(PATH.stem, PATH))
mixture = load(track.path)
separation = experiment.pipeline([mixture])[0]
form = f"{mixture.sample_rate} Hz, {mixture.channels} channel(s)"
print(f"{track.alias}: {mixture.seconds:.1f} s, {form}")"""

WAVES = """\
voice = separation.speech.waveform / separation.gain  # at the level that it had in the mixture
sounds = {"mixture": mixture.waveform, "cleaned": voice, "residual": mixture.waveform - voice}
if track.reference is not None:
    sounds["reference"] = track.reference.waveform
figure, axes = plt.subplots(
    len(sounds), 1, figsize=(11, 1.6 * len(sounds)), sharey=True, layout="constrained"
)
for axis, (name, waveform) in zip(axes, sounds.items(), strict=True):
    seconds = torch.linspace(0, mixture.seconds, waveform.shape[-1])
    axis.plot(seconds, waveform.mean(0), linewidth=0.4)
    axis.set_title(name, loc="left", fontsize=10)
    axis.margins(x=0)
axes[-1].set_xlabel("seconds")
plt.show()"""

PICTURE = """\
with tempfile.TemporaryDirectory() as folder:
    picture = spectrograms.write_spectrograms(separation, Path(folder) / "x.png", track.alias)
    display(Image(picture.read_bytes()))"""

MASKS = """\
stems = {
    name: separator([mixture])[0] for name, separator in experiment.pipeline.separators.items()
}
fusion = experiment.pipeline.fusion
masks = {name: fusion.mask(mixture, one) for name, one in stems.items()}
masks["fused"] = fusion(mixture, stems).mask
if track.reference is not None:
    from speechclean.audio import stft
    from speechclean.stages.metrics.reference import aligned_reference

    truth = aligned_reference(separation, track).waveform
    n_fft = stft.window_length(mixture.sample_rate, fusion.window_s)
    masks["oracle"] = stft.ratio_mask(
        stft.stft(truth, n_fft), stft.stft(mixture.waveform - truth, n_fft)
    )
figure, axes = plt.subplots(
    len(masks), 1, figsize=(11, 2.2 * len(masks)), layout="constrained", squeeze=False
)
for axis, (name, mask) in zip(axes[:, 0], masks.items(), strict=True):
    extent = (0, mixture.seconds, 0, mixture.sample_rate / 2000)
    image = axis.imshow(
        mask.mean(0),
        origin="lower",
        aspect="auto",
        extent=extent,
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    axis.set(title=f"mask: {name}", ylabel="kHz", ylim=(0, min(8, mixture.sample_rate / 2000)))
figure.colorbar(image, ax=axes, label="1 is speech")
plt.show()
for name, mask in masks.items():
    undecided = ((mask > 0.1) & (mask < 0.9)).float().mean()
    print(f"{name:20} mean {mask.mean():.2f}, undecided (0.1 to 0.9) {undecided:.0%}")"""

NUMBERS = """\
measures = measure(experiment.metrics, separation, track)
lines = ["| metric | mixture | cleaned |", "|---|---|---|"]
for name, metric in experiment.metrics.items():
    pair = [measures[f"{name}_{state}"] for state in ("mixture", "cleaned")]
    cells = ["" if value is None else f"{value:.2f}" for value in pair]
    lines.append(f"| {name} {metric.unit} | {cells[0]} | {cells[1]} |")
display(
    Markdown(
        "\\n".join(
            [*lines, "", f"Verdict: **{experiment.verdict.judge(measures, experiment.metrics)}**"]
        )
    )
)"""

LISTEN = """\
with tempfile.TemporaryDirectory() as folder:
    for path in ab_clips.write_snippets(separation, "clip", Path(folder)):
        print(path.stem.removeprefix("clip_"))
        snippet = load(path)
        display(
            Player(snippet.mono().waveform[0].numpy(), rate=snippet.sample_rate, normalize=False)
        )"""

CELLS = [
    new_markdown_cell(INTRO),
    new_code_cell(SETUP),
    new_code_cell(RUN),
    new_markdown_cell(
        "## Waveforms\nResidual is what was taken out; cleaned + residual = mixture."
    ),
    new_code_cell(WAVES),
    new_markdown_cell("## Spectrograms"),
    new_code_cell(PICTURE),
    new_markdown_cell(
        "## Masks\nEach separator's, what fusion made of them, and the best that there could be "
        "where the voice is known."
    ),
    new_code_cell(MASKS),
    new_markdown_cell("## Numbers"),
    new_code_cell(NUMBERS),
    new_markdown_cell("## Listen"),
    new_code_cell(LISTEN),
]


def notebook() -> nbformat.NotebookNode:
    """The notebook without outputs.

    Cell ids are their places, so that the file only changes when a cell does.
    """
    made = new_notebook(
        cells=CELLS,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--execute", action="store_true")
    options = parser.parse_args()
    made = notebook()
    if options.execute:
        from nbclient import NotebookClient

        NotebookClient(made, timeout=300, resources={"metadata": {"path": str(HERE)}}).execute()
    nbformat.write(made, HERE / "pilot_analysis.ipynb")


if __name__ == "__main__":
    main()
