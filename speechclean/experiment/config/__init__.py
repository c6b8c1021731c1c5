"""Configs: what they may say, and how they become objects.

preset          a run's config as a file of conf/experiment/
preset_text     that file's yaml
preset_values   what a config says that the defaults do not
recorded        a recorded run's config, of which nothing can run but what conf/ names
sound_alone     what of a config `Cleaner` has no use for, and what it says to that
command_line    what is wrong with a command line, said before Hydra makes a folder
compose         a config as Hydra would compose it
config_files    yaml in which somebody wrote former names, as Hydra reads it
schema          the root of a config
build           validate, then prepare: what a run begins with
prepare         makes the folders and the tracking store that a run needs
validate        says everything that is wrong with a config at once, and writes nothing
assemble        the objects of a config as one `Experiment`
judging         what a config's verdict and guard can hear
instantiate     sections to objects, each held against the class that it names
old_names       former names of keys and choices in what users write: understood, and told
packages        what a config needs of packages that are not installed
choices         the classes that a config may name
run_name        what a run is called among others: its name, and the knobs that it was given
masking         passwords in a composed config, masked in place
resolvers       functions that the yaml may call
errors          what is raised
"""
