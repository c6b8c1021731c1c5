"""Take the music out of speech recordings and leave the voice as it was.

A run is a Hydra-composed config; it sends every input through separators -> fusion -> enhancement -> post-processing, measures
what came out, and records it. From the ground up (a module imports only from below):

    audio           Audio; load, save, resample: the only file that touches sound files
    long_audio      sounds too long for memory, read forward in chunks
    separation      Track, Stems, Separation: what flows
    spectral        STFT pair, ratio mask, apply mask: pure functions
    loudness        LUFS and true peak
    files, machine  whole files and what stands in them; what computes
    cores           work side by side on a CPU, the same bits on one core or eight
    cache/          what networks have answered, kept: the same bits without the work
    checkpoints     load networks without trusting their files
    weights/        published networks: where their files lie, what is missing, fetched on request
    separators/     separator(mixtures) -> [Stems]
    fusion/         fusion(mixture, {name: Stems}) -> Separation
    enhancement/    enhancement(Separation) -> Separation
    postprocess/    postprocess(Separation) -> Separation
    metrics/        metric(Separation, Track) -> float | None
    datasets/       dataset.tracks() -> [Track]
    pipeline        the four arrows
    streaming       the same four over the disk, for files of any length
    screening       is there any music?
    cleaning        tracks -> finished files, one bad file never taking the rest down
    provenance      code, versions, hashes; the signature of a config
    marks           hashes and sketches of what passed each stage
    tracking/       runs in MLflow, recorded and read again: the only package that imports it
    recording       what a run leaves behind so that it can be run again
    finished        the same from files that another tool cleaned
    finishing       an outcome measured, judged, guarded and written
    verdict, guard  improved or harmed, and what happens then
    scores, report, page, listening, plots, histograms    what a run leaves behind
    nodes, config   a config's nodes -> objects, all that is wrong said at once
    loading         networks loaded before any audio is read
    compose         the command line, checked before Hydra starts
    batches/        thousands of files by one machine or many: ledger, executors, deliveries
    experiment      run_experiment(cfg): all of the above in order
    reproduction, aiming, differences, inputs, worktree, sameness    run a recorded run again; did it come out the same?
    comparison, promotion, serving    hold runs against each other, make one a preset, serve one
    sweep/          searches over knobs: studies, trials, findings
    cli, evaluate   the entry points

`conf/` has one folder per config group, named like the package that it configures.
"""
