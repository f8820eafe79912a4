"""Telemetry: `names` is the catalogue, `redaction` what text passes, `tracing` makes the spans."""
