"""Metrics: each `metric(Separation, Track) -> float | None`, a judgement of `separation.speech`.

The value before cleaning is the same metric on `separation.before()`. None says that a metric does not apply (no reference,
no transcript, no pause, silence); a number is always finite. Each class tells its `unit` and whether `higher_is_better`
(None: a level, neither good nor bad).

si_sdr.py               distance from the clean reference in dB
sdr.py                  the same, but a short filter is forgiven (BSS Eval)
si_sir.py, si_sar.py    its two halves: the music that is left, the damage that is new
stoi.py, estoi.py       intelligibility against the clean reference, 0 to 1
pesq.py                 quality against the clean reference, 1 to 4.6
lsd.py                  distance from the clean reference's spectrum in dB
wer.py, cer.py          error rates of words and characters against the transcript, by pocketsphinx
wer_vs_mixture.py       without a transcript: other words than in the mixture
wer_whisper.py          the same by Whisper (published weights)
music_presence.py       probability of music by PANNs' Cnn14 (published weights); _max: in the worst window
squim.py                STOI guessed without a reference (published weights); _pesq, _si_sdr: the other two
lufs.py                 integrated loudness
true_peak_dbtp.py       highest level between the samples
bandwidth_hz.py         how far up the sound reaches
music_to_speech_db.py   energy in the bins that the fused mask gives to music, over those it gives to speech
music_residual_db.py    level in the pauses of the speech, over the level in the speech

Shared by several:
reference.py            the clean reference, brought to the shape of what is judged
remains.py              an estimate split into target, interference and artefacts
decibels.py             ratios of energies within bounds
vad.py                  where somebody speaks
"""
