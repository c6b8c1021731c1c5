"""Enhancement: `enhancement(Separation) -> Separation`, a speech denoiser after the music is gone.

deepfilternet      DeepFilterNet3
denoiser           networks of the denoiser family (DNS48, DNS64, MASTER64, the embedded one)
denoiser_network   one of them, loaded
chunks             chunks with context, those of several sounds in common forward passes
gain               a network's output as a gain with a wet mix, which both of them share
identity           none
"""
