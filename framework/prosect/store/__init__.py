"""The Zarr store: whole shards, a journal, resume, export."""
