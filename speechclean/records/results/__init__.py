"""A run's results, for people and for other programs.

html_report      report.html: the results and sounds of a run on one page
player           three sounds side by side, on every page that lets one hear
histograms       distributions of metrics
spectrograms     mixture, cleaned, residual and mask as pictures
ab_clips         the same seconds of mixture, cleaned and residual
terminal_table   the results in the terminal
tables           metrics.csv, metrics.json, summary.md
summary_page     the text of summary.md
headline         five rows in plain words
verdict          improved, unchanged, harmed or not judged
summary          means, and which files stand out
colours          those of mixture, cleaned and residual
"""
