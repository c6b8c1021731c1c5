"""Datasets: `dataset.tracks() -> list[Track]`, paths only; nothing is decoded before its turn.

cleaned    mixtures with what some tool made of them, to be judged
inputs     what is typed as inputs of a command: files, folders and patterns, with unique names
folder     every sound file that a pattern matches
matching   the paths that a pattern matches, each folder once
manifest   a csv or tsv table, with references and transcripts where they are known; `Pilot` is the
           shipped one
table      reading such a table; what is wrong with it is said with its line
shards     a share of one, for one of several machines
aliases    readable, unique, safe names for outputs
"""


class DatasetError(ValueError):
    """Inputs that cannot be listed; the message says everything that is wrong with them."""
