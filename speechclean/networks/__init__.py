"""Networks: their files, loaded without trust, and their answers, cached.

deepfilternet/       DeepFilterNet3, a speech enhancer
pickled_arrays       pickles of numpy, read as data and kept as safetensors
cache/               what networks have answered before: the same bits without the work
weights/             published networks: where their files lie, what is missing, fetched on request
onnx                 graphs of ONNX, run by ONNX Runtime
checkpoints          files of demucs, DiffQ, denoiser and others, read as data
quantised            states that DiffQ quantised, decoded
gpu_batches          forward passes of as many inputs as a GPU's memory holds
unfilled             networks built without random weights
torchaudio_hdemucs   torchaudio's form of HDemucs as a checkpoint of demucs
"""
