"""Texts in the Go templates of an alert's labels and annotations."""

from __future__ import annotations

from dqx.alerting.promql import quoted


def literal(text: str) -> str:
    """Return a template that prints a text as it is, braces included."""
    return f"{{{{ {quoted(text)} }}}}" if "{{" in text or "}}" in text else text
