"""Nightly refresh of synthetic training data that keeps the real world in charge."""
