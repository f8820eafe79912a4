"""What all tests share."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# Deadlines measure the machine, and the machines are shared: a slow example is no failure.
settings.register_profile(
    "dqx", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dqx"))

# What a shell starts in the background ignores it, and so would all programs that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.servers.alertmanager",
    "tests.servers.jaeger",
    "tests.servers.node_exporter",
    "tests.servers.otlp",
    "tests.servers.postgres",
    "tests.servers.prometheus",
    "tests.servers.pushgateway",
]
