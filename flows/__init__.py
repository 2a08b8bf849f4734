"""Orchestration and command line: the only place that knows Prefect."""

import os

# what Polars gives back to its allocator goes back to the system at once, not when another program needs it; read at its import
os.environ.setdefault("_RJEM_MALLOC_CONF", "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0")
