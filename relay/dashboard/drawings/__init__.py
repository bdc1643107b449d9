"""Drawings: each module computes the shapes of one kind of SVG, which a template then writes."""
