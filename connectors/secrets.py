"""Where a secret is kept, never the secret itself: a file, a variable or a credential."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drorch.errors import ConfigurationError


class SecretRef(BaseModel):
    """A reference to a secret, resolved each time it is needed and never stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path | None = None
    env: str | None = None
    credential: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    """A name that systemd's ``LoadCredential=`` or a container gives to this very process."""

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretRef:
        if sum(kept is not None for kept in (self.file, self.env, self.credential)) != 1:
            raise ValueError(
                "give exactly one of 'file', 'env' and 'credential', never the value itself"
            )
        return self

    def read(self) -> str:
        """Return the secret without its final line break, or raise `ConfigurationError`."""
        if self.env is not None:
            value = os.environ.get(self.env)
            if not value:
                raise ConfigurationError(
                    f"the environment variable {self.env} is not set",
                    hint="a secret is read from it; set it for the process that runs drorch",
                )
            return value
        return _content(self.file or self._credential_file())

    def _credential_file(self) -> Path:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise ConfigurationError(
                f"the credential {self.credential} is not there: this process was given none",
                hint=f"under systemd: LoadCredential={self.credential}:FILE in the unit; by hand: "
                f"CREDENTIALS_DIRECTORY=FOLDER drorch ..., with a file {self.credential} in it",
            )
        return Path(folder) / str(self.credential)


def _content(file: Path) -> str:
    try:
        value = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot read the secret in {file}: {error}",
            hint="check that the file exists and that this user may read it",
        ) from error
    if not value:
        raise ConfigurationError(f"the secret file {file} is empty")
    return value
