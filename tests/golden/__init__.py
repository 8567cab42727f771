"""Folders of every released version, which this one must open, show and go on with."""
