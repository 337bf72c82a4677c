"""What is in deploy/ holds what it promises: a closed unit, a closed container, known metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.settings import Settings, load_settings
from tests.repo.tree import ROOT

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "drorch.service"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
MOST_EXPOSED = 2.0

HISTOGRAMS = {
    "drorch_step_duration_seconds": {"phase"},
    "drorch_connector_call_seconds": {"connector", "call"},
    "drorch_journal_append_seconds": set(),
    "drorch_http_request_seconds": {"route"},
}
METRICS = {
    "drorch_runs": {"mode", "status"},
    "drorch_run_steps": {"run", "status"},
    "drorch_connector_calls_total": {"connector", "call", "result"},
    "drorch_journal_errors_total": set(),
    "drorch_sse_listeners": set(),
    "drorch_audit_entries_unanchored": set(),
    "drorch_rto_margin_seconds": {"run", "service"},
    "drorch_http_requests_total": {"method", "route", "status"},
    "drorch_webhooks_pending": {"hook"},
    "drorch_webhooks_failed_total": {"hook"},
    "drorch_halted": set(),
    "drorch_lease_held": {"run"},
    "drorch_nodes_alive": set(),
    "drorch_clock_offset_seconds": set(),
    "drorch_build_info": {"version"},
    **HISTOGRAMS,
}
"""Every metric of the service, with its labels."""
_NAME = re.compile(r"\bdrorch_\w+")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_MATCHED = re.compile(r"(drorch_\w+)\{([^}]*)\}")
_TOLD = re.compile(r"\{\{ ?\$labels\.(\w+) ?\}\}|\{\{(\w+)\}\}")


def unit() -> dict[str, list[str]]:
    """Return every key of the unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    "promised",
    [
        "User=drorch",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "MemoryDenyWriteExecute=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        "RestrictNamespaces=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallFilter=@system-service",
        "SystemCallArchitectures=native",
        "StateDirectory=drorch",
        "StateDirectoryMode=0700",
        "UMask=0077",
        "Restart=always",
    ],
)
def test_the_unit_is_closed(promised: str) -> None:
    name, _, value = promised.partition("=")
    assert value in unit()[name]


def test_the_unit_sets_what_the_configuration_knows(tmp_path: Path) -> None:
    words = " ".join(unit()["Environment"]).replace("%S", "/var/lib").split()
    given = dict(word.split("=", 1) for word in words)
    config = Path(given.pop("DRORCH_CONFIG"))
    assert config.name == "drorch.toml"
    assert load_settings(_empty(tmp_path), given).data_dir == Path("/var/lib/drorch")
    assert [value.partition(":")[0] for value in unit()["LoadCredential"]] == ["secret"]


def test_the_unit_starts_what_the_bundle_installs() -> None:
    installer = (ROOT / "scripts" / "install.sh").read_text(encoding="utf-8")
    assert "/opt/drorch" in installer and '"$target/venv/bin/drorch"' in installer
    assert unit()["ExecStart"] == ["/opt/drorch/venv/bin/drorch serve"]


def test_systemd_finds_the_unit_closed(tmp_path: Path) -> None:
    """Measured where systemd is at hand; the promised lines are looked at everywhere."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert len(unit()) > 40
        return
    text = UNIT.read_text(encoding="utf-8").replace("/opt/drorch/venv/bin/drorch", "/bin/true")
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    verified = _run(analyze, "verify", "--man=no", str(copy))
    assert verified.returncode == 0, verified.stderr
    assert "Unknown" not in verified.stderr
    told = _run(analyze, "security", "--offline=true", "--no-pager", str(copy)).stdout
    level = re.search(r"exposure level for drorch\.service: ([\d.]+)", told)
    assert level is not None, told
    assert float(level[1]) < MOST_EXPOSED


def test_the_user_of_the_unit_is_made() -> None:
    lines = (DEPLOY / "systemd" / "drorch.sysusers.conf").read_text(encoding="utf-8").splitlines()
    assert any(line.split()[:2] == ["u", "drorch"] for line in lines)


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", ["drorch", "certificate", "database"])
def test_a_container_can_do_nothing_but_its_work(name: str) -> None:
    service = services()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].partition(":")[0]) > 0
    assert all("noexec" in mount for mount in service["tmpfs"])
    assert "privileged" not in service


def test_the_image_runs_as_who_compose_says() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user = services()["services"]["drorch"]["user"]
    assert f"USER {user}\n" in dockerfile


def test_only_drorch_is_reached_and_only_it_reaches_the_database() -> None:
    found = services()
    assert [n for n, s in found["services"].items() if "ports" in s] == ["drorch"]
    assert found["services"]["database"]["networks"] == ["inside"]
    assert found["networks"]["inside"] == {"internal": True}
    assert found["services"]["certificate"]["network_mode"] == "none"
    assert "pg_isready" in found["services"]["database"]["healthcheck"]["test"]


def test_no_password_stands_in_compose(tmp_path: Path) -> None:
    found = services()
    given = {name: re.sub(r"\$\{\w+:\?.*\}", "drorch.example", str(value))
             for name, value in found["services"]["drorch"]["environment"].items()}  # fmt: skip
    settings: Settings = load_settings(_empty(tmp_path), given)
    assert settings.server.host == "0.0.0.0"
    assert settings.server.names == ("drorch.example",)
    assert settings.database.password is not None
    assert str(settings.database.password.file) == "/run/secrets/database"
    assert found["secrets"]["database"] == {"file": "./secrets/database"}
    assert "POSTGRES_PASSWORD" not in found["services"]["database"]["environment"]


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    document = json.loads((DEPLOY / "grafana" / "drorch.json").read_text(encoding="utf-8"))
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each expression and the words that it is shown with."""
    for rule in rules():
        yield rule["expr"], " ".join(rule["annotations"].values())
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]


def base(name: str) -> str:
    """Return the metric that a series belongs to: a histogram has three of them."""
    plain = re.sub(r"_(bucket|sum|count)$", "", name)
    return plain if plain in HISTOGRAMS else name


@pytest.mark.parametrize(("expression", "words"), list(expressions()))
def test_every_metric_and_label_exists(expression: str, words: str) -> None:
    used = [base(name) for name in _NAME.findall(expression)]
    assert used or "up{" in expression, expression
    assert set(used) <= METRICS.keys()
    labels = {"le"}.union(*(METRICS[name] for name in used))
    for grouped in _GROUPED.findall(expression):
        assert {label.strip() for label in grouped.split(",")} <= labels, expression
    for name, matchers in _MATCHED.findall(expression):
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers)) <= METRICS[base(name)]
    assert {one or other for one, other in _TOLD.findall(words)} <= labels, words


def test_every_metric_is_shown() -> None:
    """A metric that nobody looks at is one that nobody misses when it breaks."""
    shown = {base(name) for panel in panels() for t in panel["targets"] for name in _NAME.findall(t["expr"])}  # fmt: skip
    assert shown == METRICS.keys()


def test_every_alert_says_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) >= 10
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert len(rule["annotations"]["description"]) > 25, rule["alert"]


def test_prometheus_takes_the_rules() -> None:
    """Asked where promtool is at hand; the shape is looked at everywhere."""
    promtool = shutil.which("promtool")
    if promtool is not None:
        checked = _run(promtool, "check", "rules", str(ALERTS))
        assert checked.returncode == 0, checked.stderr
    assert all(rule.keys() <= {"alert", "expr", "for", "labels", "annotations"} for rule in rules())
    example = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert example["rule_files"] == [ALERTS.name]
    assert example["scrape_configs"][0]["job_name"] == "drorch"


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def _empty(folder: Path) -> Path:
    path = folder / "drorch.toml"
    path.write_text("")
    return path


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
