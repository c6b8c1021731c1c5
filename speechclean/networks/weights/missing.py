"""What to say when weights are missing: which, how large, and the command that mends it."""

from __future__ import annotations

from . import registry, search_path


class MissingWeights(RuntimeError):  # noqa: N818 (reads as what it says)
    """Weights that a run needs and that no known folder holds; the message names the files and what
    to do.

    `models`: the names, in the table of published weights, of what would mend it.
    """

    def __init__(self, message: str, models: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.models = models


def missing(name: str, urls: list[str]) -> MissingWeights:
    """What to say when published files are missing: the command that mends it and its size, or
    where to put them.
    """
    model = registry.models().get(name)
    files = "\n".join(f"    {url}" for url in urls)
    several = len(urls) > 1
    text = f"{name}: {len(urls)} published weights file{'s are' if several else ' is'} missing. "
    if model:
        per_file = {source.url: file.size_mb for file in model.files for source in file.sources}
        sizes = [per_file.get(url) for url in urls]
        about = (
            f"about {sum(size for size in sizes if size):.0f} MB"
            if all(sizes)
            else "of a size not known before asking"
        )
        text += f"Get {'them' if several else 'it'}, {about}, with\n    python -m speechclean.weights fetch {name}\n"
        text += f"  or from\n{files}\n"
    else:
        text += f"Get\n{files}\n"
    text += (
        f"  into a folder named by weights.dir or SPEECHCLEAN_WEIGHTS (looked in: "
        f"{', '.join(str(folder) for folder in search_path.folders())}, and the Hugging Face cache)"
    )
    return MissingWeights(text, (name,) if model else ())
