"""Separators: `separator(mixtures) -> list[Stems]`, a ragged batch in, a list out.

roformer           BS-RoFormer and Mel-Band RoFormer checkpoints
roformer_network   a RoFormer as the engine wants a network
local              networks of one's own, from a folder in demucs' format
demucs             everything of the demucs family: HTDemucs, HDemucs, bags of them, DiffQ-quantised
                   ones
tuned/             the same networks with less work and less memory traffic
stream_engine      the same over sounds too long for memory
engine             networks over many waveforms, their segments packed into common forward passes
precision          fewer bits on a GPU, where they are close enough
segments           how a waveform is cut into shifted, overlapping segments and put together again
"""
