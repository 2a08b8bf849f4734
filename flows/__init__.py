"""Orchestration and command line: the only place that knows Prefect."""
