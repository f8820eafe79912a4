"""The guide to monitoring: typed from top to bottom against real servers, it shows what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
import yaml
from tests.page import Page, page, typed
from tests.servers.processes import answers, free_port, running
from tests.terminal import Terminal, programs, steady, terminal

from dqx import VerdictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.jaeger import Jaeger

PAGE = page("docs/monitoring.md")
DQX = Path(sys.executable).with_name("dqx")

READY = {"prometheus": "/-/ready", "node_exporter": "/", "pushgateway": "/-/ready"}


def written(name: str) -> str:
    """Return what the page has its reader write into a file."""
    (text,) = [block.text for block in PAGE.blocks if block.file == name and not block.appended]
    return text


def matches(shown: str, said: str) -> bool:
    """Tell whether what was said is what is shown, where `...` stands for anything."""
    pattern = re.escape(steady(shown)).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, steady(said), re.DOTALL) is not None


PROGRAMS = (
    ("prometheus", "prometheus"),
    ("promtool", "promtool"),
    ("node_exporter", "prometheus-node-exporter"),
    ("pushgateway", "prometheus-pushgateway"),
)


def test_a_reader_who_types_it_all_gets_what_it_says(tmp_path: Path, jaeger: Jaeger) -> None:
    """In one shell: files are written, servers started, commands typed, and the screen is the one that is shown."""
    ports = {port: str(free_port()) for port in ("9464", "9090", "9100", "9091")}
    ports |= {"4318": jaeger.http_url.rpartition(":")[2], "16686": jaeger.query_url.rpartition(":")[2]}
    text = re.sub(rf"\b({'|'.join(ports)})\b", lambda port: ports[port[0]], PAGE.text)
    text = text.replace("$ dqx serve ", f"$ dqx serve --port {ports['9464']} ")
    text = text.replace("_interval: 15s", "_interval: 1s")  # whoever reads has the time
    variables = {
        "PATH": f"{programs(tmp_path / 'bin', *PROGRAMS)}:/usr/bin:/bin",
        "HOME": "/",
        "LC_ALL": "C.UTF-8",
    }
    typed_in = 0
    # A short path, as a reader's: a long one would break the lines that name it.
    with TemporaryDirectory(prefix="quality-") as folder, terminal(Path(folder), variables) as screen:
        for block in Page(PAGE.path, text).blocks:
            if block.file and "/" not in block.file:
                with (Path(folder) / block.file).open("a" if block.appended else "w") as file:
                    file.write(block.text)
            for command, shown in typed(block.text) if block.language == "console" else ():
                # The Jaeger of the tests runs already, and Airflow is not among their servers.
                if not command.startswith(("pip install", "jaeger ", "export ", "airflow ")):
                    follow(screen, command, shown)
                    typed_in += 1
        assert not list((Path(folder) / "textfiles").iterdir())
        left = {
            port: set(
                re.findall(
                    r'^(\w+){.*suite="orders"', metrics(f"http://127.0.0.1:{ports[port]}"), re.MULTILINE
                )
            )
            for port in ("9464", "9091")
        }
        assert left == {"9464": {"dqx_suite_info"}, "9091": set()}, "it is retired"
    assert typed_in == 21


def follow(screen: Terminal, command: str, shown: str) -> None:
    """Type a command, one that asks a server until it has heard of what it is asked for; expect what is shown."""
    if command.endswith("&"):
        screen.type(command)
        for line in shown.splitlines():
            assert screen.wait_for(re.escape(line.partition(" from ")[0])), line
        if ready := READY.get(command.split(maxsplit=1)[0]):
            (port,) = re.findall(r"127\.0\.0\.1:(\d+)", command)
            wait_until(answers(f"http://127.0.0.1:{port}{ready}"), command)
        return
    give_up_at = time.monotonic() + (30 if command.startswith(("promtool", "curl -s")) else 0)
    while True:
        code, said = screen.type(command)
        if not shown or matches(shown, said):
            assert code == ("FAILED" in said), said
            return
        assert time.monotonic() < give_up_at, f"{command}\n{said}"
        time.sleep(0.2)


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Wait for a server."""
    give_up_at = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the page's first three files, `dqx` on PATH, and no settings in the environment."""
    for name in [*os.environ]:
        if name.startswith(("DQX_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{DQX.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    for name in ("orders.py", "orders.csv", "dqx.toml"):
        (tmp_path / name).write_text(written(name))
    return tmp_path


def test_the_line_for_cron_runs_as_cron_runs_it(folder: Path) -> None:
    """By /bin/sh, with almost no environment: what failed is printed, and so mailed; what passed is not."""
    (folder / "venv" / "bin").mkdir(parents=True)
    (folder / "venv" / "bin" / "dqx").symlink_to(DQX)
    (line,) = re.findall(r"^5 \* \* \* \*  (.*)$", PAGE.text, re.MULTILINE)
    line = line.replace("/srv/quality", str(folder))

    def as_cron_does() -> subprocess.CompletedProcess[str]:
        bare = {"HOME": str(folder), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "LOGNAME": "data"}
        return subprocess.run(
            ["/bin/sh", "-c", line], env=bare, cwd="/", capture_output=True, text=True, check=False
        )

    failed = as_cron_does()
    assert failed.returncode == 1
    assert "every price is known" in failed.stdout
    (folder / "orders.csv").write_text("id,price\n1,9.50\n2,7.00\n")
    passed = as_cron_does()
    assert (passed.returncode, passed.stdout, passed.stderr) == (0, "", "")


def test_the_task_of_the_dag_turns_red(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is whole: with decorators that only hand on, in Airflow's place, its task checks, stores and raises."""
    monkeypatch.setenv("ORDERS_CSV", "orders.csv")
    monkeypatch.setenv("DQX_DB", "sqlite:///quality.db")
    tasks: list[Callable[[str], None]] = []
    sdk: Any = ModuleType("airflow.sdk")
    sdk.dag = lambda **_: lambda function: function
    sdk.task = lambda **_: lambda function: tasks.append(function) or (lambda: None)
    monkeypatch.setitem(sys.modules, "airflow", ModuleType("airflow"))
    monkeypatch.setitem(sys.modules, "airflow.sdk", sdk)
    name = "dags/orders_quality.py"
    exec(compile(written(name), name, "exec"), {"__name__": "orders_quality"})
    (check_orders,) = tasks
    with pytest.raises(VerdictError, match="every price is known") as raised:
        check_orders("2024-01-31")
    assert f"dqx.common.VerdictError: {raised.value}\n" in PAGE.text
    (folder / "orders.csv").write_text("id,price\n1,9.50\n2,7.00\n")
    check_orders("2024-02-01")


@pytest.fixture
def manifests() -> dict[str, Any]:
    """Return the manifests for Kubernetes by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(written("kubernetes.yaml"))}


def test_the_containers_do_their_work(folder: Path, manifests: dict[str, Any], postgres_url: str) -> None:
    """What the manifests have containers do, done here: the exporter shows the suite from its registration on."""
    (folder / "dqx.toml").unlink()
    job = manifests["CronJob"]["spec"]["jobTemplate"]["spec"]
    serving = manifests["Deployment"]["spec"]["template"]["spec"]
    (run,) = job["template"]["spec"]["containers"]
    (register,) = serving["initContainers"]
    (serve,) = serving["containers"]
    secret = manifests["Secret"]

    def variables(container: dict[str, Any]) -> dict[str, str]:
        given = {}
        for variable in container["env"]:
            if "value" in variable:
                given[variable["name"]] = variable["value"]
            else:
                asked = variable["valueFrom"]["secretKeyRef"]
                assert asked["name"] == secret["metadata"]["name"]
                assert secret["stringData"][asked["key"]].startswith("postgresql://")
                given[variable["name"]] = postgres_url
        return {**os.environ, **given, "OTEL_EXPORTER_OTLP_ENDPOINT": ""}  # no Collector is here

    def start(container: dict[str, Any]) -> int:
        arguments = [each.replace("/data/", f"{folder}/") for each in container["args"]]
        return subprocess.run(["dqx", *arguments], env=variables(container), check=False).returncode

    assert start(register) == 0
    port = free_port()
    command: list[str | Path] = ["dqx", *serve["args"], "--port", str(port)]
    command[command.index("0.0.0.0")] = "127.0.0.1"
    url = f"http://127.0.0.1:{port}"
    probes = [serve[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")]
    with running(command, folder / "log", answers(url + probes[1]), env=variables(serve)):
        assert answers(url + probes[0])()
        assert 'dqx_suite_registered_timestamp_seconds{env="prod"' in metrics(url)
        assert start(run) == 1
        assert 'dqx_suite_passed{env="prod",snapshot="orders,env=prod",suite="orders"} 0.0' in metrics(url)
        assert "dqx_suite_expected_interval_seconds{" in metrics(url)
        assert start(register) == 0, "as after an upgrade of the deployment"
        assert "dqx_suite_registered_timestamp_seconds{" not in metrics(url)


def metrics(url: str) -> str:
    """Return the page of an exporter."""
    with urlopen(f"{url}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_the_manifests_fit_together(manifests: dict[str, Any]) -> None:
    """Ports, labels, volumes and limits of one are those of the other."""
    pod = manifests["Deployment"]["spec"]["template"]
    service, monitor = manifests["Service"], manifests["ServiceMonitor"]
    (port,) = service["spec"]["ports"]
    (container,) = pod["spec"]["containers"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [endpoint["port"] for endpoint in monitor["spec"]["endpoints"]] == [port["name"]]
    assert port["targetPort"] in {each["name"] for each in container["ports"]}
    assert service["metadata"]["name"] == "dqx", "the rules look for a job of that name"
    job = manifests["CronJob"]["spec"]["jobTemplate"]["spec"]
    (run,) = job["template"]["spec"]["containers"]
    limit = next(each["value"] for each in run["env"] if each["name"] == "DQX_TIMEOUT")
    assert limit == "20m"
    assert job["activeDeadlineSeconds"] > 20 * 60 + 30 + 3, "scan, plugins and the flush of telemetry"
