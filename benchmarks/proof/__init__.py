"""The steps of prove.py, from a checkpoint to a report; each keeps what it found as a JSON file."""
