"""The door to DuckDB: files and locks (`store`), what a run reads and writes (`landing`)."""

from pipeline.warehouse.store import SCHEMA_VERSION, SQL, Store, snapshot_path, view_files, writer_path

__all__ = ["SCHEMA_VERSION", "SQL", "Store", "snapshot_path", "view_files", "writer_path"]
