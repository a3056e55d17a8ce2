"""Benchmarks: run by name, print one JSON object each, never judge a time."""
