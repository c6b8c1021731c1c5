"""Enhancement: `enhancement(Separation) -> Separation`, a speech denoiser after the music is gone.

denoiser   networks of the denoiser family (DNS48, DNS64, MASTER64, the embedded one), as a gain
           with a wet mix
identity   none
"""
