"""Drawings: positions of shapes, computed from data; a template writes them as SVG.

Each stands beside a table or a list of the same data.
"""
