"""The long-lived exporter: answers Prometheus from the store, or from the snapshots of this process."""
