"""Drawings: their shapes and positions are computed here, and a template writes them as SVG."""
