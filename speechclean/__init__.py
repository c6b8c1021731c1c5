"""Take the music out of speech recordings and leave the voice as it was."""
