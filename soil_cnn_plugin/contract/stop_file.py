"""How a training is asked to stop and to keep what it has learned: by a file that appears."""

from __future__ import annotations

STOP_VARIABLE = "SOILCNN_STOP"
"""Environment variable that tells a worker the path of the file."""
