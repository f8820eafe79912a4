"""What is in deploy/ is taken by the programs that will read it, and fits together."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from tests.page import ROOT
from tests.servers.processes import binary

from dqx.cli.main import dqx

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts(service: str) -> list[tuple[str, str]]:
    """Return where a container's folders and files come from, and where it finds them."""
    volumes: list[str] = SERVICES[service].get("volumes", [])
    return [(source, target) for source, target, *_ in (volume.split(":") for volume in volumes)]


def files(service: str) -> list[tuple[Path, str]]:
    """Return those of its mounts that are files and folders of the project."""
    return [(DEPLOY / source, target) for source, target in mounts(service) if source.startswith(".")]


@pytest.fixture
def laid_out(tmp_path: Path) -> Path:
    """Return a folder with each container's files where the container has them, below its name."""
    for service in SERVICES:
        for source, target in files(service):
            place = tmp_path / service / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, place)
            else:
                shutil.copy(source, place)
    return tmp_path


def check(*command: str | Path) -> str:
    """Run a program that must be satisfied, and return what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_takes_the_configuration_with_its_rules(laid_out: Path) -> None:
    """Where the container has them."""
    said = check(
        binary("promtool"), "check", "config", laid_out / "prometheus/etc/prometheus/prometheus.yaml"
    )
    assert re.search(r"SUCCESS: [1-9]\d* rules found", said)


def test_amtool_takes_the_configuration(laid_out: Path) -> None:
    """Routes, receivers and what inhibits what."""
    check(binary("amtool"), "check-config", laid_out / "alertmanager/etc/alertmanager/alertmanager.yaml")


@pytest.mark.parametrize("service", ["collector", "jaeger"])
def test_the_collector_takes_the_configuration(service: str, laid_out: Path) -> None:
    """Jaeger is a Collector, and has the components that ours uses."""
    check(binary("jaeger"), "validate", "--config", laid_out / service / "etc" / service / f"{service}.yaml")


def test_compose_keeps_to_its_schema() -> None:
    """That of the Compose specification."""
    program = Path(sys.executable).with_name("check-jsonschema")
    check(program, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_pinned_confined_and_reached_from_here_alone(service: str) -> None:
    """A version, no capabilities, ports of 127.0.0.1; what it mounts is there, and a health check where one can be."""
    definition = SERVICES[service]
    assert "build" in definition or re.search(r":v?\d+\.\d+\.\d+$", definition["image"])
    assert definition["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in definition["ports"])
    assert all(source.exists() for source, _ in files(service))
    assert {source for source, _ in mounts(service) if not source.startswith(".")} <= {*COMPOSE["volumes"]}
    assert ("healthcheck" in definition) == (service != "collector"), (
        "the Collector's image has nothing to ask with"
    )


@pytest.mark.parametrize(
    ("service", "names"),
    [("prometheus", ["prometheus"]), ("alertmanager", ["prometheus-alertmanager", "alertmanager"])],
)
def test_the_program_knows_its_flags(service: str, names: list[str]) -> None:
    """Each that compose.yaml gives it."""
    done = subprocess.run([binary(*names), "--help"], capture_output=True, text=True, check=False)
    known = set(re.findall(r"--(?:\[no-\])?([a-z.-]+)", done.stdout + done.stderr))
    given = {re.sub(r"^--|=.*", "", argument) for argument in SERVICES[service]["command"]}
    assert given <= known


def addresses(text: str) -> set[tuple[str, str]]:
    """Return the hosts and ports that a configuration names, but for those of this machine."""
    found = re.findall(r"(?:^|[\"/ ])([a-z][a-z0-9]*):(\d{4,5})\b", text, re.MULTILINE)
    return {(host, port) for host, port in found if host != "localhost"}


def test_whoever_is_addressed_listens_there() -> None:
    """Each host is a container, and its port is one that the container's own configuration opens."""
    asked = {
        pair
        for path in [*DEPLOY.glob("*.yaml"), *DEPLOY.glob("grafana/*.yaml")]
        for pair in addresses("\n".join(re.sub(r"#.*", "", line) for line in path.read_text().splitlines()))
    }
    assert {("dqx", "9464"), ("alertmanager", "9093"), ("jaeger", "4318"), ("prometheus", "9090")} <= asked
    for host, port in asked:
        own = "\n".join([*SERVICES[host].get("command", []), *SERVICES[host].get("ports", [])])
        for source, _ in files(host):
            own += source.read_text() if source.is_file() else ""
        assert re.search(rf"(0\.0\.0\.0|127\.0\.0\.1|port): ?{port}\b", own), f"{host}:{port}"


def test_every_scrape_job_keeps_the_labels_of_the_run() -> None:
    """A label of the target's takes none away; and the job that the rules ask for is there."""
    jobs = {
        job["job_name"]: job
        for job in yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
    }
    assert all(job["honor_labels"] is True for job in jobs.values())
    rules = "".join(path.read_text() for path in (ROOT / "dashboards" / "rules").glob("*.yaml"))
    assert set(re.findall(r'job="([^"]+)"', rules)) <= {*jobs}


def test_nothing_in_it_is_secret() -> None:
    """No key that holds a password has a value, and no URL has a user."""
    for path in (path for path in DEPLOY.rglob("*") if path.is_file()):
        text = re.sub(r"#.*", "", path.read_text())
        assert not re.search(r"://[^/\s]*@", text), path
        assert not re.search(r"(?i)(password|secret|token|credentials)\w*['\"]?\s*[:=]\s*\S", text), path


def test_grafana_finds_what_is_provisioned(laid_out: Path) -> None:
    """Data sources by the uid that others name, and a folder with dashboards in it."""
    provisioning = laid_out / "grafana/etc/grafana/provisioning"
    sources = yaml.safe_load((provisioning / "datasources/dqx.yaml").read_text())["datasources"]
    uids = {source["uid"]: source["type"] for source in sources}
    assert uids == {"prometheus": "prometheus", "jaeger": "jaeger", "alertmanager": "alertmanager"}
    (exemplars,) = sources[0]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars["datasourceUid"] in uids
    scrape = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["global"]["scrape_interval"]
    assert sources[0]["jsonData"]["timeInterval"] == scrape
    (provider,) = yaml.safe_load((provisioning / "dashboards/dqx.yaml").read_text())["providers"]
    assert [*(laid_out / "grafana" / provider["options"]["path"].lstrip("/")).glob("*.json")]


def test_the_image_installs_what_there_is_and_starts_what_it_has(tmp_path: Path) -> None:
    """What is copied of the checkout makes a whole package, with extras that it has and a command of its own."""
    text = (DEPLOY / "Dockerfile").read_text()
    for copied in re.findall(r"^COPY (.+) (\S+)$", text, re.MULTILINE):
        into = tmp_path / copied[1].lstrip("/")
        for path in (path for pattern in copied[0].split() for path in ROOT.glob(pattern)):
            if path.is_dir():
                shutil.copytree(path, into)
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, into)
    assert _names_in_wheel(tmp_path / "dqx", tmp_path) == _names_in_wheel(ROOT, tmp_path)
    (extras,) = re.findall(r"\.whl\)\[(.+)\]", text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {*extras.split(",")} <= {*project["optional-dependencies"]}
    (entry,) = re.findall(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)
    (arguments,) = re.findall(r"^CMD (.+)$", text, re.MULTILINE)
    assert ast.literal_eval(entry) == ["dqx"]
    command, *options = ast.literal_eval(arguments)
    served = dqx.get_command(click.Context(dqx), command)
    assert served is not None
    assert served.make_context(command, options).params["host"] == "0.0.0.0"
    assert re.search(r"^USER (?!root)\w+$", text, re.MULTILINE)


def _names_in_wheel(checkout: Path, folder: Path) -> list[str]:
    """Build the wheel of a checkout, and return what is in it."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=checkout, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(archive.namelist())
    wheel.unlink()
    return names


def test_the_example_of_nodes_is_one(tmp_path: Path) -> None:
    """Without the marks of a comment, Prometheus takes it."""
    text = (DEPLOY / "nodes" / "nodes.yaml").read_text()
    assert yaml.safe_load(text) == []
    nodes = tmp_path / "nodes" / "nodes.yaml"
    nodes.parent.mkdir()
    nodes.write_text("\n".join(re.findall(r"^# (- .+)$", text, re.MULTILINE)))
    shutil.copy(DEPLOY / "prometheus.yaml", tmp_path)
    check(binary("promtool"), "check", "config", tmp_path / "prometheus.yaml")
    assert len(yaml.safe_load(nodes.read_text())[0]["targets"]) == 2


def test_the_health_check_of_dqx_is_python(tmp_path: Path) -> None:
    """It runs, and fails where nobody answers."""
    _, _, _, program = SERVICES["dqx"]["healthcheck"]["test"]
    program = re.sub(r":\d+/", ":1/", program)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr, shlex.join([program])
