"""Metrics: each `metric(Separation, Track) -> float | None`, a judgement of `separation.speech`.

The value before cleaning is the same metric on `separation.before()`. None says that a metric does
not apply (no reference, no transcript, no pause, silence); a number is always finite. Each class
tells its `unit` and whether `higher_is_better` (None: a level, neither good nor bad).

    si_sdr               distance from the clean reference in dB
    sdr                  the same, but a short filter is forgiven (BSS Eval)
    si_sir               its two halves: the music that is left, the damage that is new
    si_sar               its two halves: the music that is left, the damage that is new
    estoi                intelligibility against the clean reference, 0 to 1
    stoi                 intelligibility against the clean reference, 0 to 1
    pesq                 quality against the clean reference, 1 to 4.6
    lsd                  distance from the clean reference's spectrum in dB
    wer                  error rate of words against the transcript, as Whisper hears them
    cer                  the same of characters
    wer_deletions        words that are not heard at all, over the words of the transcript
    words_lost           how many words are not heard, or as others
    words_invented       how many words are heard that nobody said
    words                how many words the transcript has
    wer_vs_mixture       without a transcript: other words than in the mixture
    wer_whisper          as `wer` by openai-whisper, for its other sizes and one's own weights
    former               metrics that are no more, which records name
    speaker_similarity   whether the voice stays that of the clean reference, 0 to 1
    dnsmos_sig           without a reference, how good speech would sound to listeners, 1 to 5, by
                         DNSMOS: the speech itself,
    dnsmos_bak           what is behind it,
    dnsmos_ovrl          both together,
    dnsmos_p808          and the sound as a whole, by another network
    distillmos           the same, by DistillMOS
    lufs                 integrated loudness
    true_peak_dbtp       highest level between the samples
    bandwidth_hz         how far up the sound reaches
    level_change_db      level of the voice over its level in the mixture
    music_to_speech_db   energy in the bins that the fused mask gives to music, over those it gives
                         to speech
    music_residual_db    level in the pauses of the speech, over the level in the speech
    edge_burst_db        rise of a first or last moment of music alone over what is beside it
    dnsmos               the networks of DNSMOS and what is around them
    distillmos_network   the network of DistillMOS
    speaker_encoder      embeddings of voices
    mel                  mel spectra, as published networks hear them
    windows              a network over the windows of a sound
    decomposition        an estimate split into target, interference and artefacts
    vad                  where somebody speaks
    reference            the clean reference, brought to the shape of what is judged
    decibels             ratios of energies within bounds
    music_presence_max   whether a sound tagger hears music anywhere
    music_presence       probability of music by PANNs' Cnn14 (published weights); _max: in the
                         worst window
    heard                what the metrics on words share: each sound is heard once for all of them
    recogniser           Whisper by faster-whisper
    alignment            texts as words, and what was heard held against what was said
    memo                 who listens to a sound once and remembers the last few answers. Shared by
                         the metrics that ask one network for several numbers
    squim_si_sdr         what SI-SDR would be, guessed without a reference
    squim_pesq           what PESQ would be, guessed without a reference
    squim                STOI guessed without a reference (published weights); _pesq, _si_sdr: the
                         other two
"""
