"""The stages of a model as modules that are written for export."""
