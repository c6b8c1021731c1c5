"""The page of `speechclean ui`, in Gradio: what is on it, and what happens on it.

Gradio is imported when a page is made: it is an extra.
"""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.try_out import Heard, TryOut
from speechclean.system.plain_text import one_line
from speechclean.system.resources import asset

PRESETS = {
    "fast": "a quarter of the time",
    "balanced": "the default",
    "best": "two and a half times the time",
}
#: What Gradio refuses as a whole drop, before anything is stored, in limits of a file: one that is
#: only somewhat too large is named, and the others go on.
CEILING = 10
#: Uploads and outputs are removed after a day; looked after every hour.
HOUR_S, DAY_S = 3600, 86400
HEAD = """
<h1>speechclean</h1>
<p>Takes the music out of speech. Files stay on the machine that this page comes from: at most
{mb:g}&nbsp;MB and {minutes:g}&nbsp;minutes each.</p>
"""
TEXT_INFO = (
    "With it the words that are lost are counted. Several files: one line for each, in order."
)
#: A player's page is in a frame that may do nothing but play and save its answers.
FRAME = '<iframe class="listen" title="player" sandbox="allow-scripts allow-downloads" srcdoc="{}">'


class Page:
    """The page.

    tried: cleans the files; folder: for what is cleaned; preset: that is chosen at first
    """

    def __init__(self, tried: TryOut, folder: Path, preset: str = "balanced") -> None:
        self._tried, self._folder, self._preset = tried, folder, preset
        self._blocks: Any = None

    def launch(self, host: str, port: int) -> str:
        """Serve the page; its address. Raises `OSError` where the port is taken."""
        import gradio

        style = asset("ui")
        theme = gradio.themes.Default(
            primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace"]
        ).set(block_info_text_color="*neutral_500", block_info_text_color_dark="*neutral_400")
        self._blocks = self._built()
        _, address, _ = self._blocks.queue(default_concurrency_limit=1).launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            inbrowser=False,
            share=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            enable_monitoring=False,
            footer_links=[],
            max_file_size=int(CEILING * self._tried.limits.mb * 1e6),
            theme=theme,
            css=(style / "page.css").read_text(encoding="utf-8"),
            js=(style / "page.js").read_text(encoding="utf-8"),
        )
        return str(address)

    def close(self) -> None:
        """Serve it no more."""
        if self._blocks is not None:
            self._blocks.close(verbose=False)

    def clean(
        self, files: Sequence[str] | None, preset: str, text: str
    ) -> Iterator[tuple[Any, ...]]:
        """Clean files one after another: what the page shows, anew after each.

        files: where the uploads are; text: what is said in them (`texts_of`)

        Yields the table of files, the choice of what to listen to, the player, the downloads, and
        the files themselves.
        """
        import gradio

        paths = [Path(file) for file in files or []]
        shown: list[Heard] = []
        still = gradio.skip()
        hidden = gradio.update(visible=False, value=None)
        problem = "" if paths else "Drop a file first."
        texts: list[str] = []
        try:
            texts = texts_of(text, len(paths))
            yield table(paths, shown, f"loading {preset} …"), hidden, "", hidden, shown
            if paths:
                self._tried.cleaner(preset)
        except (ConfigError, ValueError) as error:
            problem = str(error)
        if problem:
            yield message(problem), hidden, "", hidden, shown
            return
        for path, own in zip(paths, texts, strict=True):
            yield table(paths, shown, "cleaning …"), still, still, still, shown
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            shown = [*shown, self._tried.clean(preset, path, folder, own)]
            done = [number for number, one in enumerate(shown) if one.output]
            first = shown[-1].output is not None and len(done) == 1
            value: dict[str, Any] = {"value": done[0]} if first else {}
            choice = gradio.update(
                choices=[(one_line(shown[number].name, 60), number) for number in done],
                visible=len(done) > 1,
                **value,
            )
            outputs = [str(one.output) for one in shown if one.output]
            downloads = gradio.update(value=outputs, visible=bool(outputs))
            frame = self.listen(len(shown) - 1, shown) if first else still
            yield table(paths, shown), choice if done else still, frame, downloads, shown

    def listen(self, number: int | None, shown: Sequence[Heard]) -> str:
        """The player of one of the files that are done."""
        if number is None or not 0 <= number < len(shown) or shown[number].page is None:
            return ""
        try:
            page = Path(str(shown[number].page)).read_text(encoding="utf-8")
        except OSError:
            return message("This sound has been removed after a day; clean it again.")
        return FRAME.format(html.escape(page)) + "</iframe>"

    def _built(self) -> Any:
        import gradio

        limits = self._tried.limits
        presets = list(dict.fromkeys([*PRESETS, self._preset]))
        labels = [(f"{one}: {PRESETS[one]}" if one in PRESETS else one, one) for one in presets]
        with gradio.Blocks(
            title="speechclean", analytics_enabled=False, delete_cache=(HOUR_S, DAY_S)
        ) as blocks:
            gradio.HTML(HEAD.format(mb=limits.mb, minutes=limits.minutes), elem_id="head")
            files = gradio.File(file_count="multiple", label="Sound files", elem_id="files")
            preset = gradio.Radio(labels, value=self._preset, label="Preset", elem_id="preset")
            text = gradio.Textbox(
                label="What is said (if you know it)", info=TEXT_INFO, lines=2, elem_id="text"
            )
            start = gradio.Button("Clean", variant="primary", elem_id="start")
            outcome = gradio.HTML(elem_id="outcome")
            choice = gradio.Radio([], label="Listen to", visible=False, elem_id="choice")
            player = gradio.HTML(elem_id="player")
            downloads = gradio.File(
                file_count="multiple",
                label="Cleaned files",
                interactive=False,
                visible=False,
                elem_id="downloads",
            )
            shown = gradio.State([])
            start.click(
                self.clean,
                [files, preset, text],
                [outcome, choice, player, downloads, shown],
                show_progress="hidden",
                api_visibility="private",
            )
            choice.input(
                self.listen, [choice, shown], player, queue=False, api_visibility="private"
            )
        return blocks


def texts_of(text: str, files: int) -> list[str]:
    r"""What is said in each of the files: all of the text for one, else a line for each.

    Raises `ValueError` where there are more lines than files.

    >>> texts_of("one\ntwo", 1), texts_of("one\n\nthree", 4)
    (['one\ntwo'], ['one', '', 'three', ''])
    """
    if files == 1:
        return [text]
    lines = text.rstrip().splitlines()
    if len(lines) > files > 1:
        raise ValueError(
            f"There are {len(lines)} lines of text for {files} files: give one line for each, "
            "in their order, empty where it is not known."
        )
    return [*lines, *[""] * (files - len(lines))]


def message(text: str) -> str:
    """What is wrong, in words that others may have written."""
    return f'<p class="refused" role="alert">{html.escape(text)}</p>'


def table(paths: Sequence[Path], shown: Sequence[Heard], doing: str = "") -> str:
    """Every file with what became of it; the first that is not done is what is being worked on."""
    rows = []
    for number, path in enumerate(paths):
        if number < len(shown):
            rows += _rows_of(shown[number])
        else:
            now = doing if number == len(shown) else ""
            rows.append(_row(path.name, now or "waiting", "soft"))
    return f'<table class="outcome" aria-live="polite">{"".join(rows)}</table>' if rows else ""


def _rows_of(one: Heard) -> list[str]:
    if one.output is None:
        return [_row(one.name, one.reason.removeprefix(f"{one.name}: "), "refused")]
    rows = [_row(one.name, f"cleaned, {one.seconds:.1f} s", "done")]
    if one.note:
        rows.append(f'<tr><td colspan="2" class="refused">{html.escape(one.note)}</td></tr>')
    if one.words:
        said = one.words.said
        before, after = (set(one.words.lost_in_mixture), set(one.words.lost_in_cleaned))
        texts = "".join(
            f"<dt>{name}: {len(lost)} of {len(said)} words lost</dt><dd>{_marked(said, lost)}</dd>"
            for name, lost in (("mixture", before), ("cleaned", after))
        )
        rows.append(f'<tr><td colspan="2"><dl class="words">{texts}</dl></td></tr>')
    return rows


def _row(name: str, text: str, kind: str) -> str:
    shown = html.escape(one_line(name, 120))
    return f'<tr><th scope="row">{shown}</th><td class="{kind}">{html.escape(text)}</td></tr>'


def _marked(said: Sequence[str], lost: set[int]) -> str:
    words = " ".join(
        f"<del>{html.escape(word)}</del>" if place in lost else html.escape(word)
        for place, word in enumerate(said)
    )
    return re.sub("</del> <del>", " ", words)
