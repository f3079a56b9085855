"""The YAML spec: pydantic models, a loader that knows line numbers, JSON Schema. Imports no torch."""
