"""Datasets: `dataset.tracks() -> list[Track]`, paths only; nothing is decoded before its turn.

folder.py     every sound file that a pattern matches
manifest.py   a csv or tsv table, with references and transcripts where they are known; `Pilot` is the shipped one
finished.py   mixtures with what some tool made of them, to be judged
shards.py     a share of one, for one of several machines
aliases.py    readable, unique, safe names for outputs
"""


class DatasetError(ValueError):
    """Inputs that cannot be listed; the message says everything that is wrong with them."""
