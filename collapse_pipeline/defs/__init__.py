"""Dagster, thin: the verbs as assets, partitions, jobs and schedules."""
