"""docker-compose.yml as docker-compose reads it, and the script that runs it."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.programs import require

ROOT = Path(__file__).parents[2]
PROFILES = {
    "gpu": {"triton-gpu"},
    "cpu": {"triton-cpu"},
    "export-gpu": {"export-gpu"},
    "sdk": {"sdk"},
    "monitoring": {"prometheus", "grafana"},
}
SERVERS = ("triton-gpu", "triton-cpu")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """Every service, as docker-compose resolves the file and .env; it needs no daemon."""
    command = [require("docker-compose"), *(f"--profile={name}" for name in PROFILES), "config"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    resolved: dict[str, dict[str, Any]] = yaml.safe_load(done.stdout)["services"]
    return resolved


def words(command: str | list[str]) -> list[str]:
    """A command as compose resolves it, which keeps the form that the file has."""
    return shlex.split(command) if isinstance(command, str) else command


@pytest.mark.parametrize("profile", PROFILES)
def test_docker_compose_accepts_each_profile(profile: str) -> None:
    command = [require("docker-compose"), "--profile", profile, "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_profile_has_its_services(services: dict[str, dict[str, Any]]) -> None:
    found = {name: {key for key, service in services.items() if name in service["profiles"]} for name in PROFILES}
    assert found == PROFILES
    assert set(services) == set().union(*PROFILES.values()), "a service in no profile starts with every profile"


def test_release_is_pinned_in_one_place(services: dict[str, dict[str, Any]]) -> None:
    release = re.search(r"^TRITON_RELEASE=(\d\d\.\d\d)$", (ROOT / ".env").read_text(), re.MULTILINE)
    assert release is not None
    image = f"nvcr.io/nvidia/tritonserver:{release[1]}-py3"
    assert {services[name]["image"] for name in (*SERVERS, "export-gpu")} == {image}
    assert release[1] not in (ROOT / "docker-compose.yml").read_text()
    assert all(re.search(r":v?\d+\.\d+", service["image"]) for service in services.values())


def test_everything_that_it_mounts_or_runs_exists(services: dict[str, dict[str, Any]]) -> None:
    mounts = [mount.split(":") for service in services.values() for mount in service.get("volumes", [])]
    bound = [Path(source) for source, *_ in mounts if source.startswith("/")]
    assert bound
    assert [path for path in bound if not path.exists()] == []
    targets = {target: Path(source) for source, target, *_ in mounts if source.startswith("/")}
    for name in SERVERS:
        assert targets[words(services[name]["command"])[1]].is_file()
    assert targets["/etc/prometheus/prometheus.yml"].is_file()
    script = words(services["export-gpu"]["command"])[1]
    assert (targets["/source"] / Path(script).relative_to("/source")).is_file()
    dashboard = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (targets["/var/lib/grafana/dashboards"] / dashboard.name).is_file()


@pytest.mark.parametrize("name", SERVERS)
def test_servers_are_fit_for_production(services: dict[str, dict[str, Any]], name: str) -> None:
    service = services[name]
    assert service["healthcheck"]["test"][-1].endswith("/v2/health/ready")
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"] == "60s"
    assert service["shm_size"] == "1g"
    assert service["ulimits"] == {"memlock": -1, "stack": 67108864}
    assert service["mem_limit"] == "16g"
    assert service["user"] == "1000:1000"
    assert service["cap_drop"] == ["ALL"]
    assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}
    assert next(mount for mount in service["volumes"] if ":/models:" in mount).endswith(":ro")


def test_options_and_key_of_the_server_come_from_the_environment() -> None:
    options = "--backend-config=tensorrt,version-compatible=true --log-verbose=1"
    environment = os.environ | {"TRITON_OPTIONS": options, "TRITON_KEY": "sesame"}
    command = [require("docker-compose"), "--profile=gpu", "config"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    service = yaml.safe_load(done.stdout)["services"]["triton-gpu"]
    assert {name: value for name, value in service["environment"].items() if value} == {"TRITON_KEY": "sesame"}
    assert words(service["command"]) == [
        *("bash", "/start-triton.sh", "gpu"),
        *("--backend-config=tensorrt,version-compatible=true", "--log-verbose=1"),
    ]


def test_a_store_and_its_credentials_come_from_the_environment() -> None:
    ours = {"MODEL_REPOSITORY": "s3://bucket/models", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    command = [require("docker-compose"), "--profile=gpu", "config"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ours, capture_output=True, text=True, check=True)
    service = yaml.safe_load(done.stdout)["services"]["triton-gpu"]
    assert {name: value for name, value in service["environment"].items() if value} == ours


def test_ports_are_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 8
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_gpus_are_reserved_where_they_are_needed_only(services: dict[str, dict[str, Any]]) -> None:
    reserving = {name for name, service in services.items() if "gpu" in json.dumps(service.get("deploy", {}))}
    assert reserving == {"triton-gpu", "export-gpu"}


def test_the_exporter_can_rename_from_staging_into_the_repository(services: dict[str, dict[str, Any]]) -> None:
    served = next(m.split(":")[0] for m in services["triton-gpu"]["volumes"] if ":/models:" in m)
    written = next(m.split(":")[0] for m in services["export-gpu"]["volumes"] if ":/repository-root:" in m)
    assert Path(served).parent == Path(written), "staging is a sibling of the repository: one mount must hold both"


# What docker and nvidia-smi would answer; the commands that they got are left in calls.
DOCKER = """#!/bin/sh
echo "$@" >> "$FAKE/calls"
case "$1 $2" in
"info "*) [ "$DAEMON" = up ] ;;
"inspect "*) echo "$STATE" ;;
"logs "*) echo "the log's end" ;;
"compose --profile") case "$*" in *" ps "*) echo 0123abcd ;; esac ;;
esac
"""
NVIDIA_SMI = "#!/bin/sh\necho 'GPU 0: NVIDIA L4 (UUID: GPU-0)'\n"


class Host:
    """A host with its own PATH, in a copy of the deployment files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        for name in ("docker-compose.yml", ".env"):
            shutil.copy(ROOT / name, directory)
        shutil.copytree(ROOT / "deploy", directory / "deploy")
        for program in ("bash", "dirname", "grep", "sed", "sleep", "stat", "sh", "cat"):
            (self.bin / program).symlink_to(str(shutil.which(program)))
        self.environment = {"PATH": str(self.bin), "FAKE": str(directory), "DAEMON": "up", "STATE": "healthy"}

    def install(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def publish(self) -> None:
        (self.directory / "model_repository/resnet/1").mkdir(parents=True)
        (self.directory / "model_repository/resnet/config.pbtxt").write_text('backend: "onnxruntime"\n')

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / "bash"), str(self.directory / "deploy/compose.sh"), *words]
        return subprocess.run(command, env=self.environment | variables, capture_output=True, text=True, timeout=30)

    def calls(self) -> str:
        return (self.directory / "calls").read_text()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with a Docker daemon, no GPU, and a model."""
    host = Host(tmp_path)
    host.install("docker", DOCKER)
    host.publish()
    return host


def test_up_without_a_gpu_takes_the_cpu_profile(host: Host) -> None:
    done = host.run("up")
    assert done.returncode == 0, done.stderr
    assert "compose --profile cpu up --detach" in host.calls()
    assert "Healthy: HTTP 127.0.0.1:8000, gRPC 127.0.0.1:8001, metrics 127.0.0.1:8002" in done.stdout
    assert done.stdout.endswith("Try:  curl -s http://127.0.0.1:8000/v2/models/stats\n"), "it needs no key"


def test_up_with_a_gpu_takes_the_gpu_profile(host: Host) -> None:
    host.install("nvidia-smi", NVIDIA_SMI)
    assert host.run("up", "--monitoring").returncode == 0
    assert "compose --profile gpu --profile monitoring up --detach" in host.calls()


def test_up_takes_the_profile_that_is_asked_for(host: Host) -> None:
    host.install("nvidia-smi", NVIDIA_SMI)
    assert host.run("up", "cpu").returncode == 0
    assert "compose --profile cpu up --detach" in host.calls()


def test_up_obeys_the_environment_before_dot_env(host: Host) -> None:
    assert "HTTP 127.0.0.1:18000" in host.run("up", HTTP_PORT="18000").stdout


@pytest.mark.parametrize("state", ["unhealthy", "exited", "restarting"])
def test_up_shows_the_log_of_a_server_that_does_not_become_healthy(host: Host, state: str) -> None:
    done = host.run("up", STATE=state)
    assert done.returncode == 1
    assert f"triton-cpu is {state}, not healthy" in done.stderr
    assert "the log's end" in done.stderr


def test_up_gives_up_at_the_deadline(host: Host) -> None:
    done = host.run("up", STATE="starting", WAIT_SECONDS="0")
    assert done.returncode == 1
    assert "triton-cpu is starting, not healthy" in done.stderr


def test_up_needs_a_model(host: Host) -> None:
    shutil.rmtree(host.directory / "model_repository")
    done = host.run("up")
    assert done.returncode == 3
    assert "publish a model with: make export" in done.stderr


@pytest.mark.parametrize("words", [["up"], ["down"], ["logs"], ["export"]])
def test_docker_that_does_not_answer_is_said(host: Host, words: list[str]) -> None:
    done = host.run(*words, DAEMON="down")
    assert done.returncode == 3
    assert "start its daemon" in done.stderr


def test_docker_that_is_not_installed_is_said(host: Host) -> None:
    (host.bin / "docker").unlink()
    done = host.run("up")
    assert done.returncode == 3
    assert "docker is not installed" in done.stderr


def test_wrong_words_are_refused(host: Host) -> None:
    assert [host.run(*words).returncode for words in ([], ["sideways"], ["up", "tpu"])] == [2, 2, 2]


def test_down_and_logs_cover_every_profile(host: Host) -> None:
    assert host.run("down").returncode == host.run("logs").returncode == 0
    everything = " ".join(f"--profile {profile}" for profile in PROFILES)
    assert f"compose {everything} down\n" in host.calls()
    assert f"compose {everything} logs --follow" in host.calls()


def test_export_needs_a_gpu(host: Host) -> None:
    done = host.run("export")
    assert done.returncode == 3
    assert "no NVIDIA GPU" in done.stderr


def test_export_passes_its_options_on(host: Host) -> None:
    host.install("nvidia-smi", NVIDIA_SMI)
    assert host.run("export", "--weights", "a file.pth").returncode == 0
    assert host.run("export").returncode == 0
    service = "compose --profile export-gpu run --rm export-gpu"
    assert host.calls().splitlines()[-1] == service
    assert f"{service} python3 /source/deploy/export_gpu.py --weights a file.pth\n" in host.calls()


def test_scripts_pass_shellcheck() -> None:
    scripts = [*sorted((ROOT / "deploy").glob("*.sh")), ROOT / ".ci/run"]
    done = subprocess.run([require("shellcheck"), *scripts], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
