"""What a run's rows come to, for people and for other programs.

html_report    report.html: one file that says what a run came to and lets it be heard
histograms     distributions of metrics
spectrograms   mixture, cleaned, residual and mask as pictures
ab_clips       the same seconds of mixture, cleaned and residual
tables         metrics.csv, metrics.json, summary.md, the table in the terminal
verdict        improved, unchanged or harmed
summary        means, and which files stand out
"""
