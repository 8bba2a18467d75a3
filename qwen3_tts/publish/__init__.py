"""Ready models: a folder with exports of one checkpoint, as one uploads it to a hub. Nothing here needs torch."""
