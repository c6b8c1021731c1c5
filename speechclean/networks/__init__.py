"""Networks: their files, loaded without trust, and their answers, cached.

cache/               what networks have answered before: the same bits without the work
weights/             published networks: where their files lie, what is missing, fetched on request
onnx                 graphs of ONNX, run by ONNX Runtime
checkpoints          files of demucs, DiffQ, denoiser and others, read as data
torchaudio_hdemucs   torchaudio's form of HDemucs as a checkpoint of demucs
"""
