"""Configs: what they may say, and how they become objects.

preset        a run's config as a file of conf/experiment/
compose       the command line, checked before Hydra starts
schema        the root of a config, and `build`: all that is wrong is said at once
instantiate   nodes to objects, each held against the class that it names
"""
