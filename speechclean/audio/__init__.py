"""Sound as tensors.

loudness   LUFS and true peak
stft       STFT pair, ratio mask, apply mask: pure functions
stream     sounds too long for memory, read forward in chunks
waveform   Audio; load, save, resample
"""
