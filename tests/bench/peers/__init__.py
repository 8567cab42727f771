"""The same work in other engines: each file runs alone, in the environment of its engine, and imports no nbflow."""
