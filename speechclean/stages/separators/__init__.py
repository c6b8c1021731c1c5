"""Separators: `separator(mixtures) -> list[Stems]`, a ragged batch in, a list out.

roformer           BS-RoFormer and Mel-Band RoFormer checkpoints
roformer_network   a RoFormer as the engine takes a network
spleeter           Spleeter's 2 stems
spleeter_network   its U-Nets as the engine takes a network
deepfilternet      DeepFilterNet3, a speech enhancer, on the mixture
local              a user's own networks, from a folder in demucs' format
demucs             everything of the demucs family: HTDemucs, HDemucs, bags of them, DiffQ-quantised
                   ones
bag_networks       the networks of a bag that have to run, loaded and tuned
tuned/             the same networks with less work and less memory traffic
stream_engine      networks over sounds too long for memory
engine             networks over many waveforms, their segments packed into common forward passes
schedule           shifts, overlap and batch size
network            one network of a bag, and the batches that a GPU's memory holds
precision          lower precision on a GPU, where it is close enough
segments           how a waveform is cut into shifted, overlapping segments and put together again
"""
