"""Sweeps: a search over a config's knobs that computes only what changed.

It survives being killed, and can be worked on by many processes and machines at once.

sweeper         Hydra's sweeper: claims trials, launches them, prints how it goes
prepare         what can be known before any work: space, goals, whether the config runs
summary         the table of trials, plots, the best config as a preset
listen          the best settings side by side, to be heard
trial_records   the trials' runs in the tracking store; trials whose worker died, settled by them
tables          trials.csv and summary.md
trial           one trial: a run that reports file by file
sample          a few files that stand for many
study           the study: trials claimed, ended, withdrawn
storage         where the study is kept, and locks on it
ranking         the best trial, the Pareto front
objective       what a trial is worth, and what it must not cost
sampling        the next point, never one that is there already
first_points    points that are tried before it proposes any
search_space    what is searched: keys and their values, in Hydra's own syntax
space           points: drawn one key after another, in order, counted
conditions      keys that are searched only where others have certain values
current         the config as it stands, as the first trial
settings        the `sweep` node of a config
leases          who works on a trial, and whether that worker still lives
plots           Optuna's plots as HTML and as pictures
page            study.html

Why this is not hydra-optuna-sweeper, the sweeper that Hydra's authors publish. Its 1.4.0rc3 does
run, but a sweep over hours needs what it does not have (1.3 is out of the question: it holds Optuna
at 2.10 and fails on sqlite with SQLAlchemy 2).

- A resume that goes on exactly: its sampler starts with the same seed again and proposes the same
  points again. Here the seed of a point is made of the sweep's seed and the number of trials.
- Trials of dead workers: a sweep that is killed leaves trials RUNNING for ever. Here a trial is
  held under a lease, and one whose lease is stale is completed from its recorded run, or withdrawn
  and tried again first.
- `n_trials` as a total: there it is additional, so that the same command twice runs twice as many.
  Here the same command completes the study, also from several machines.
- Reuse: no point is evaluated twice, and trials run so that the cache of the networks' answers has
  what they need.
- Constraints on means (`wer <= mixture + 0.02`), pruning by files, and a study that refuses trials
  on other inputs or another config, with which its own cannot be compared.
- Failures with their reason: there a trial whose value is NaN only fails, and nothing says why.
- A parent run in the tracking store: it would hang on a callback there, and Hydra turns the
  exceptions of callbacks into warnings.
"""
