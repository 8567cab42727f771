"""Benchmarks: what a durable task costs, beside a floor measured in the same minute (python -m tests.bench)."""
