"""Which language a command speaks, and what it says in Italian."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from api.cli.language import language_of
from tests.cli.conftest import Drorch, plan, write_config


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({}, "en"),
        ({"LANG": "it_IT.UTF-8"}, "it"),
        ({"LANG": "it_IT@euro"}, "it"),
        ({"LANG": "IT"}, "it"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "POSIX"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "../../it"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "it_IT.UTF-8"}, "it"),
        ({"LC_MESSAGES": "it_IT.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "it_IT"}, "it"),
        ({"DRORCH_LANG": "it", "LC_ALL": "C"}, "it"),
        ({"DRORCH_LANG": "en", "LANG": "it_IT.UTF-8"}, "en"),
        ({"DRORCH_LANG": "xx", "LANG": "it_IT.UTF-8"}, "en"),
    ],
)
def test_the_first_variable_that_is_not_empty_decides(
    environ: Mapping[str, str], code: str
) -> None:
    assert language_of(environ) == code


@pytest.fixture
def italian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drorch: Drorch) -> Drorch:
    """Call ``drorch`` in Italian, where the connector ``sim`` does not answer."""
    write_config(tmp_path, "http://127.0.0.1:9")
    monkeypatch.setenv("DRORCH_LANG", "it")
    return drorch


def test_the_problems_of_a_plan(italian: Drorch, tmp_path: Path) -> None:
    bad = plan(tmp_path, steps={"web": {"vm": 102, "depends_on": ["db"], "verfy": []}})
    told = italian("validate", bad)
    assert told.code == 2
    assert 'errore: chiave sconosciuta "verfy" in un passo' in told.out
    assert '(intendevate "verify"?)' in told.out
    assert 'errore: non c\'è nessun passo o gruppo "db"' in told.out


def test_a_run_from_its_beginning_to_its_report(italian: Drorch, tmp_path: Path) -> None:
    told = italian("run", plan(tmp_path), "--mode", "simulate")
    assert told.code == 0, told.err
    assert "la simulazione small-1: riuscita dopo " in told.out
    assert "2 in salute" in told.out
    assert "Negozio" in told.out
    lines = italian("runs").out.splitlines()
    assert lines[0].split() == ["esecuzione", "modo", "stato", "inizio", "durata", "passi", "da"]
    assert "simulazione  riuscita" in lines[1]
    assert "SIMULAZIONE - non si contatta nulla" in italian("status", "last").out
    report = italian("report", "last", "--format", "table").out
    assert report.startswith("Rapporto finale: small-1 - A small plan\n")


def test_data_for_programs_stays_as_it_is(
    italian: Drorch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    italian("run", plan(tmp_path), "--mode", "simulate")
    told = italian("status", "last", "--format", "json").json
    monkeypatch.setenv("DRORCH_LANG", "en")
    assert italian("status", "last", "--format", "json").json == told
    assert told["status"] == "succeeded"


def test_a_refusal_tells_what_to_type(italian: Drorch, tmp_path: Path) -> None:
    told = italian("run", plan(tmp_path), "--mode", "live")
    assert told.code == 2
    assert told.err == (
        "errore: un ripristino reale va confermato, e non c'è nessuno a cui chiedere\n"
        "consiglio: per avviare le macchine di questo piano: --confirm small\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--foo"], "errore: opzione inesistente: --foo (opzioni possibili: --format)\n"),
        (["fuu"], "errore: comando inesistente 'fuu'.\n"),
        (["valdate"], "errore: comando inesistente 'valdate'. Intendevate 'validate'?\n"),
        (["status"], "errore: manca l'argomento 'RUN'.\n"),
        (["token", "create"], "errore: manca l'opzione '--name'.\n"),
        (
            ["runs", "--limit", "x"],
            "errore: valore non valido per '--limit': serve un numero intero\n",
        ),
        (
            ["runs", "--limit", "0"],
            "errore: valore non valido per '--limit': il minimo è 1\n",
        ),
        (
            ["runs", "--format", "x"],
            "errore: valore non valido per '--format': 'x' non è fra 'table', 'json'\n",
        ),
    ],
)
def test_wrong_use(italian: Drorch, arguments: list[str], words: str) -> None:
    told = italian(*arguments)
    assert told.code == 2
    assert told.err.startswith(words), told.err
    assert "--help' mostra come si usa" in told.err


def test_help(italian: Drorch) -> None:
    told = italian("run", "--help")
    assert told.out.startswith("Uso: drorch run [OPZIONI] [")
    assert "Esegue un piano fino alla fine" in told.out
    assert "[predefinito: dry-run]" in told.out
    assert "Mostra questo messaggio ed esce." in told.out


def test_another_command_speaks_english_again(
    italian: Drorch, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Comandi:" in italian("--help").out
    monkeypatch.setenv("DRORCH_LANG", "en")
    told = italian("--help").out
    assert "Commands:" in told
    assert "Comandi" not in told
