"""What the log-in pages say, in Italian or English."""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, str]

ENGLISH: Words = {
    "lang": "en",
    "title": "Log in",
    "name": "Name",
    "password": "Password",
    "code": "One-time code",
    "code_hint": "six digits, if you have been given a code",
    "enter": "Log in",
    "or": "or",
    "by": "Log in with",
    "refused": "Name, password and code do not fit together. A code works once: wait for the next.",
    "wait": "Too many failed log-ins. Try again in {again} seconds. "
    "The command line on the machine of the service needs no log-in: drorch status last",
    "help": "No account, or the password is lost? An admin gives you one on the machine of the "
    "service:",
    "leaving": "On to",
    "go_on": "Go on",
    "unknown": "You are not known here",
    "unknown_told": "The provider knows you, drorch does not. Tell an admin this subject:",
    "unknown_do": "The admin types on the machine of the service:",
    "back": "Back to the log-in",
}
ITALIAN: Words = {
    "lang": "it",
    "title": "Accesso",
    "name": "Nome",
    "password": "Password",
    "code": "Codice monouso",
    "code_hint": "sei cifre, se vi è stato dato un codice",
    "enter": "Accedi",
    "or": "oppure",
    "by": "Accedi con",
    "refused": "Nome, password e codice non corrispondono. Un codice vale una volta sola: "
    "attendete il prossimo.",
    "wait": "Troppi accessi falliti. Riprovate fra {again} secondi. "
    "La riga di comando sulla macchina del servizio non chiede accesso: drorch status last",
    "help": "Senza utenza, o password perduta? La dà un amministratore, sulla macchina del "
    "servizio:",
    "leaving": "Si passa a",
    "go_on": "Avanti",
    "unknown": "Qui non siete noti",
    "unknown_told": "Il provider vi conosce, drorch no. Comunicate questo subject a un "
    "amministratore:",
    "unknown_do": "L'amministratore scrive, sulla macchina del servizio:",
    "back": "Torna all'accesso",
}


def words_for(accepted: str) -> Words:
    """Return the words in whichever language a browser names first; English for neither."""
    for part in accepted.lower().split(","):
        language = part.split(";")[0].strip().split("-")[0]
        if language in ("it", "en"):
            return ITALIAN if language == "it" else ENGLISH
    return ENGLISH
