"""A published snapshot becomes a checkpoint folder. Needs torch."""
