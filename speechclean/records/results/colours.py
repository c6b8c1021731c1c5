"""The colours of the three sounds, the same in all pictures and pages of a run."""

from __future__ import annotations

#: By the names of `ab_clips`; assets/report/page.css has the same on a light ground.
COLOURS = {"mixture": "#b9812c", "cleaned": "#1f6fd0", "residual": "#7b5aa6"}
