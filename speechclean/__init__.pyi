from speechclean.experiment.cleaner import Cleaner as Cleaner

__all__ = ["Cleaner"]
