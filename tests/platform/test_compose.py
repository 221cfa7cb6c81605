"""docker-compose.yml and the Dockerfile: their structure, as no engine is needed for that."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)


def test_the_roles_are_there() -> None:
    assert set(SERVICES) == {
        *(
            "postgres",
            "redis",
            "migrate",
            "web",
            "media",
            "worker-tools",
            "worker-records",
            "worker-messages",
            "beat",
        ),
        *("metabase", "metabase-database"),
    }
    assert "name" not in COMPOSE


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_has_a_health_check(name: str) -> None:
    assert {"test", "disable"} & set(SERVICES[name]["healthcheck"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_every_lasting_service_restarts_and_has_time_to_end(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert "stop_grace_period" in SERVICES[name]


def test_every_variable_is_required_and_documented() -> None:
    used = re.findall(r"(?<!\$)\$\{([A-Z_]+)([^}]*)\}", TEXT)
    documented = (ROOT / ".env.example").read_text()

    assert used
    for name, rest in used:
        # What is asked for is asked for of everybody, also of those who do not start Metabase.
        assert rest.startswith(":-" if name.startswith("METABASE_") else ":?"), name
        assert f"\n{name}=" in documented


def test_metabase_is_pinned_and_starts_only_when_asked_for() -> None:
    assert re.fullmatch(r"metabase/metabase:v0\.\d+\.\d+", SERVICES["metabase"]["image"])
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {
        "metabase",
        "metabase-database",
    }
    assert all(SERVICES[name]["profiles"] == ["metabase"] for name in ("metabase", "metabase-database"))


def test_metabase_knows_no_password_of_tandem() -> None:
    environment = SERVICES["metabase"]["environment"]

    assert "env_file" not in SERVICES["metabase"]
    assert environment["MB_DB_HOST"] == "metabase-database"
    assert environment["MB_DB_PASS"] == SERVICES["metabase-database"]["environment"]["POSTGRES_PASSWORD"]
    assert "POSTGRES_PASSWORD" not in str(environment)


def test_no_secret_stands_in_the_file() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|KEY|SECRET", key):
                assert str(value).startswith("${"), (name, key)
            assert not re.search(r"//[^/$]*:[^/$]+@", str(value)), (name, key)


@pytest.mark.parametrize("name", OURS)
def test_commands_name_programs_that_are_installed(name: str) -> None:
    program, *arguments = SERVICES[name]["command"]
    joined = " ".join(arguments)

    if program == "python":
        assert (ROOT / arguments[0]).is_file()
    else:
        assert importlib.util.find_spec(program)
        assert "config.asgi:application" in joined or "-A config" in joined


@pytest.mark.parametrize("name", OURS)
def test_our_services_share_image_environment_and_spool(name: str) -> None:
    service = SERVICES[name]

    assert service["image"] == "tandem"
    assert service["env_file"] == ".env"
    assert "spool:/var/lib/tandem/spool" in service["volumes"]


def test_named_volumes_are_declared() -> None:
    used = {
        str(volume).partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    }

    assert used == set(COMPOSE["volumes"])


def test_ports_are_open_to_this_host_only() -> None:
    for service in SERVICES.values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))


def test_all_queues_have_workers_and_beat_is_alone() -> None:
    commands = [" ".join(service.get("command", [])) for service in SERVICES.values()]

    assert sum("-Q tools" in command for command in commands) == 1
    assert sum("-Q records" in command for command in commands) == 1
    assert sum("-Q messages" in command for command in commands) == 1
    assert sum(" beat " in command for command in commands) == 1


def test_the_image_runs_as_an_unprivileged_user_in_production() -> None:
    text = (ROOT / "Dockerfile").read_text()

    assert re.search(r"^USER tandem$", text, re.MULTILINE)
    assert "DJANGO_SETTINGS_MODULE=config.settings.production" in text
    assert "HEALTHCHECK" in text
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        assert (ROOT / line.split()[0]).exists()
