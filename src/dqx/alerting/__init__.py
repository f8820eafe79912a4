"""Alerting: recording and alerting rules for Prometheus, made of the catalogue's names."""
