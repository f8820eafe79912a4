"""What all telemetry of this process says of its origin."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

SERVICE_NAME = "dqx"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://opentelemetry.io/schemas/service.instance.id/dqx")
_ENVIRONMENTS = ("deployment.environment.name", "deployment.environment")


def make_resource() -> Resource:
    """Return the resource that `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` and the detectors describe.

    Unless it is set, `service.name` is `dqx`, and `service.instance.id` a UUIDv5 of service and environment: a
    random one, as the SDK makes it, would make every series anew in each run of a batch job.
    """
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    from dqx.telemetry import allow_list

    given = OTELResourceDetector().detect().attributes
    attributes = allow_list.of_resource(Resource.create().attributes)
    name = attributes["service.name"] = given.get("service.name") or SERVICE_NAME
    environment = next((str(attributes[key]) for key in _ENVIRONMENTS if attributes.get(key)), "")
    attributes["service.instance.id"] = given.get("service.instance.id") or str(
        uuid.uuid5(_NAMESPACE, f"{attributes.get('service.namespace', '')}/{name}/{environment}")
    )
    return Resource(attributes)
