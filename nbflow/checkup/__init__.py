"""What works here and what not: Python and kernel, front end, storage, extras: ``nf.doctor()``, ``nbflow doctor``."""
