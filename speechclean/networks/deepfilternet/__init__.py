"""DeepFilterNet3, a speech enhancer at 48 kHz, from its published weights.

answers      batches, streams and the cache; what a separator and an enhancement are made of
files        the published files, checked
passes       whole waveforms, stretch by stretch
network      from features to gains and filters
layers       its layers, and how they get their weights
onnx_graph   the weights in an ONNX file
features     STFT, bands, running means
"""
