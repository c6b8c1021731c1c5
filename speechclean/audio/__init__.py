"""Sound as tensors.

loudness      LUFS and true peak
edges         context beyond the ends of a sound, for networks
stft          STFT pair, ratio mask, apply mask: pure functions
stream        sounds too long for memory, read forward in chunks
sound_files   probe, load and save: the only module that touches sound files
arrays        numpy arrays and torch tensors as Audio, and back
riff          headers of wav files, byte by byte
waveform      Audio, and resampling
"""
