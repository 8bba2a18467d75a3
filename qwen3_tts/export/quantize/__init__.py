"""Stages with narrower weights, and which recipe gives which stage what."""
