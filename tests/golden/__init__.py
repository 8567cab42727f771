"""Folders of every released version, and of each Python, which this one must open, show and go on with."""
