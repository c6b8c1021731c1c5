"""Sound as tensors.

loudness      LUFS and true peak
edges         context beyond the ends of a sound, for networks
stft          STFT pair, ratio mask, apply mask: pure functions
stream        sounds too long for memory, read forward in chunks
dc_offset     a constant under the sound
sound_files   probe, load and save: how everybody else comes to sound files
reading       probe and load, with the true length
riff          headers of written wav files, byte by byte
decoding      blocks of a file's sound, to its end
media         sound that FFmpeg decodes, of films too
ffmpeg        PyAV: a file opened, messages caught, samples as floats
layout        what a file holds, and what is cut off of it
boxes         containers that FFmpeg reads: which, and what is cut off
containers    uncompressed containers: what is promised, and what is there
mpeg          the frames of an mp3
ogg           the pages of an ogg
views         a file as a decoder should see it
arrays        numpy arrays and torch tensors as Audio, and back
waveform      Audio, and resampling
"""
