"""The command ``nbflow``: look at runs, answer them, and go on with them, from a terminal or a script.

It works on the storage folder and needs no server; a run may be live in a kernel meanwhile. Looking, sending and
answering unpickle nothing, so a folder of somebody else can be looked at; ``resume`` runs what is stored there.
"""

from .main import main

__all__ = ["main"]
