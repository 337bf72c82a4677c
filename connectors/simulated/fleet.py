"""The fleet file: which machines and hosts the simulated hypervisor pretends to have."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError
from typing_extensions import override

from connectors.simulated.quantities import Bytes, Seconds
from drorch.errors import ConfigurationError

_DEFAULT_MEMORY = 2 * 2**30


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HostEntry(_Strict):
    memory: Bytes | None = None
    boot_slots: int | None = Field(default=None, ge=1)


class MachineEntry(_Strict):
    id: StrictInt | StrictStr
    name: str | None = None
    host: str | None = None
    memory: Bytes = _DEFAULT_MEMORY
    boot: Seconds = 0.0
    app: Seconds = 0.0
    shutdown: Seconds = 5.0
    needs: list[StrictInt | StrictStr] = []
    port: int | None = Field(default=None, ge=1, le=65535)
    agent: bool = True


class GenerateEntry(_Strict):
    """Machines by the number; ``spread`` 0.2 varies boot and app by up to 20 % each way."""

    count: int = Field(ge=0, le=200_000)
    first_id: int = Field(default=1000, ge=0)
    hosts: int | list[str] = 1
    memory: Bytes = _DEFAULT_MEMORY
    boot: Seconds = 0.0
    app: Seconds = 0.0
    shutdown: Seconds = 5.0
    spread: float = Field(default=0.0, ge=0.0, le=1.0)
    seed: int = 0
    needs: list[StrictInt | StrictStr] = []
    port_base: int | None = Field(default=None, ge=1, le=65535)
    agent: bool = True


class FleetFile(_Strict):
    time_scale: float = Field(default=1.0, gt=0)
    latency: Seconds = 0.0
    hosts: dict[str, HostEntry | None] = {}
    machines: list[MachineEntry] = []
    generate: GenerateEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """One host; None means unlimited."""

    name: str
    memory: int | None = None
    boot_slots: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """One machine; ``label`` is its id as the file wrote it, times are simulated seconds."""

    id: str
    label: int | str
    name: str
    host: str
    memory: int = _DEFAULT_MEMORY
    boot: float = 0.0
    app: float = 0.0
    shutdown: float = 5.0
    needs: tuple[str, ...] = ()
    port: int | None = None
    agent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A checked fleet: ids are unique, what is referred to exists, ``needs`` has no cycle."""

    digest: str
    hosts: tuple[HostSpec, ...]
    machines: tuple[MachineSpec, ...]
    time_scale: float = 1.0
    latency: float = 0.0


def load(path: Path) -> Fleet:
    """Read the fleet file at *path*; raises `ConfigurationError` with file and key."""
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 (a safe loader below)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot read the fleet file {path}: {error}", hint="check the path given to --fleet"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is no valid YAML: {error}") from error
    return build(document, source=str(path))


def build(document: object, *, source: str = "fleet") -> Fleet:
    """Return the fleet that *document* describes; *source* names it in errors."""
    if not isinstance(document, Mapping):
        raise ConfigurationError(
            f"{source} must be a mapping with 'machines' or 'generate'",
            hint="see the example in the documentation of the simulator",
        )
    try:
        return _resolved(FleetFile.model_validate(document), source)
    except ValidationError as error:
        lines = [f"{source}: {_where(e['loc'], document)}: {_what(e)}" for e in error.errors()]
        raise ConfigurationError("\n".join(lines), hint="correct the fleet file") from error


def _resolved(file: FleetFile, source: str) -> Fleet:
    hosts = {name: _host(name, entry or HostEntry()) for name, entry in file.hosts.items()}
    generated = _generated(file.generate, hosts) if file.generate else []
    if not hosts:
        hosts = {"sim1": HostSpec(name="sim1")}
    names = list(hosts)
    machines = [_machine(e, names[i % len(names)]) for i, e in enumerate(file.machines)]
    machines += generated
    _check(machines, hosts, source)
    return Fleet(
        digest=hashlib.sha256(file.model_dump_json().encode()).hexdigest(),
        hosts=tuple(hosts.values()),
        machines=tuple(machines),
        time_scale=file.time_scale,
        latency=file.latency,
    )


def _host(name: str, entry: HostEntry) -> HostSpec:
    return HostSpec(name=name, memory=entry.memory, boot_slots=entry.boot_slots)


def _machine(entry: MachineEntry, host: str) -> MachineSpec:
    return MachineSpec(
        id=str(entry.id),
        label=entry.id,
        name=entry.name or f"vm-{entry.id}",
        host=entry.host or host,
        memory=entry.memory,
        boot=entry.boot,
        app=entry.app,
        shutdown=entry.shutdown,
        needs=tuple(str(need) for need in entry.needs),
        port=entry.port,
        agent=entry.agent,
    )


def _generated(entry: GenerateEntry, hosts: dict[str, HostSpec]) -> list[MachineSpec]:
    """Return the generated machines, in turn over their hosts; adds hosts that are new."""
    named = entry.hosts
    names = [f"node{i + 1}" for i in range(max(named, 1))] if isinstance(named, int) else named
    for name in names:
        hosts.setdefault(name, HostSpec(name=name))
    vary = random.Random(entry.seed)  # noqa: S311 (reproducible on purpose)
    needs = tuple(str(need) for need in entry.needs)
    return [
        MachineSpec(
            id=str(entry.first_id + i),
            label=entry.first_id + i,
            name=f"vm-{entry.first_id + i}",
            host=names[i % len(names)],
            memory=entry.memory,
            boot=entry.boot * (1 + entry.spread * vary.uniform(-1, 1)),
            app=entry.app * (1 + entry.spread * vary.uniform(-1, 1)),
            shutdown=entry.shutdown,
            needs=needs,
            port=None if entry.port_base is None else entry.port_base + i,
            agent=entry.agent,
        )
        for i in range(entry.count)
    ]


def _check(machines: list[MachineSpec], hosts: Mapping[str, HostSpec], source: str) -> None:
    known = {machine.id: machine for machine in machines}
    ports: dict[int, str] = {}
    problems = [] if len(known) == len(machines) else _repeated(machines)
    for machine in machines:
        about = f"machine {machine.id}"
        if machine.host not in hosts:
            problems.append(f"{about}: host {machine.host!r} is not among 'hosts'")
        problems += [f"{about}: needs {n}, which is no machine" for n in machine.needs
                     if n not in known]  # fmt: skip
        if machine.port is not None and not machine.port <= 65535:
            problems.append(f"{about}: port {machine.port} is above 65535")
        if machine.port is not None and ports.setdefault(machine.port, machine.id) != machine.id:
            problems.append(f"{about}: port {machine.port} is machine {ports[machine.port]}'s")
    if not problems:
        problems = _cycle(known)
    if problems:
        raise ConfigurationError("\n".join(f"{source}: {p}" for p in problems),
                                 hint="correct the fleet file")  # fmt: skip


def _repeated(machines: list[MachineSpec]) -> list[str]:
    times = Counter(machine.id for machine in machines)
    return [f"machine {m}: this id is used {n} times" for m, n in times.items() if n > 1]


def _cycle(known: Mapping[str, MachineSpec]) -> list[str]:
    """Return a sentence about machines that need each other, or nothing.

    Without recursion: chains may be as long as the fleet.
    """
    waiting = {machine.id: len(set(machine.needs)) for machine in known.values() if machine.needs}
    needed_by: dict[str, list[str]] = {}
    for machine in waiting:
        for need in set(known[machine].needs):
            needed_by.setdefault(need, []).append(machine)
    free = [machine for machine in known if machine not in waiting]
    while free:
        for other in needed_by.get(free.pop(), ()):
            waiting[other] -= 1
            if not waiting[other]:
                del waiting[other]
                free.append(other)
    return [f"these need each other in a circle: {', '.join(waiting)}"] if waiting else []


class _UniqueKeyLoader(yaml.CSafeLoader):
    """The safe loader, which also refuses a key that is written twice."""

    @override
    def construct_mapping(
        self, node: yaml.nodes.MappingNode, deep: bool = False
    ) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.nodes.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is written twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _where(location: tuple[int | str, ...], document: Mapping[Any, Any]) -> str:
    """Return the key as people say it, with the machine's id where there is one."""
    words = ".".join(str(part) for part in location if part not in {"int", "str"})
    if len(location) > 1 and location[0] == "machines" and isinstance(location[1], int):
        entry = document["machines"][location[1]]
        if isinstance(entry, Mapping) and "id" in entry:
            return f"{words} (machine {entry['id']})"
    return words


def _what(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key"
    return str(error["msg"]).removeprefix("Value error, ")
