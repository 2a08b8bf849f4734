"""The rooms of balkanwatch: pure on floors 0 and 1, doors to disk, network and DuckDB on floor 2 (docs/architecture.md)."""
