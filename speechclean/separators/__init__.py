"""Separators: `separator(mixtures) -> list[Stems]`, a ragged batch in, a list out.

demucs.py      everything of the demucs family: HTDemucs, HDemucs, bags of them, DiffQ-quantised ones
tuned/         the same networks with less work and less memory traffic
engine.py      networks over many waveforms, their segments packed into common forward passes
precision.py   fewer bits on a GPU, where they are close enough
streaming.py   the same over sounds too long for memory
segments.py    how a waveform is cut into shifted, overlapping segments and put together again
"""
