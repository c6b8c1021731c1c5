"""What to say when weights are missing: which, how large, and the command that mends it."""

from __future__ import annotations

from pathlib import Path

from . import registry, search_path


class MissingWeights(RuntimeError):  # noqa: N818 (reads as what it says)
    """Weights that a run needs and that no known folder holds.

    The message names the files and says what to do. `models` are the names in the table of
    published weights that have to be fetched.
    """

    def __init__(self, message: str, models: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.models = models


def missing(
    name: str,
    urls: list[str],
    first: Path | None = None,
    sizes: list[float | None] | None = None,
) -> MissingWeights:
    """The error for missing published files.

    It names the command that fetches them and its size, or where to put them. `sizes` in 10^6
    bytes; None looks them up by the urls.
    """
    model = registry.models().get(name)
    files = "\n".join(f"    {url}" for url in urls)
    several = len(urls) > 1
    text = f"{name}: {len(urls)} published weights file{'s are' if several else ' is'} missing. "
    if model:
        per_file = {str(source): file.size_mb for file in model.files for source in file.sources}
        sizes = sizes or [per_file.get(url) for url in urls]
        about = (
            f"about {sum(size for size in sizes if size):.0f} MB"
            if all(sizes)
            else "of a size not known before asking"
        )
        text += f"Get {'them' if several else 'it'}, {about}, with\n"
        text += f"    speechclean weights fetch {name}\n"
        text += f"  or from\n{files}\n"
    else:
        text += f"Get\n{files}\n"
    looked_in = ", ".join(str(folder) for folder in search_path.folders(first))
    text += (
        f"  into a folder named by weights.dir or SPEECHCLEAN_WEIGHTS (looked in: {looked_in}, "
        "and the Hugging Face cache)"
    )
    return MissingWeights(text, (name,) if model else ())
