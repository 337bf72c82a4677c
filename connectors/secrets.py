"""Where a secret is kept, never the secret itself: ``{ file = ... }`` or ``{ env = ... }``."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

from drorch.errors import ConfigurationError


class SecretRef(BaseModel):
    """A reference to a secret, resolved each time it is needed and never stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretRef:
        if (self.file is None) == (self.env is None):
            raise ValueError("give exactly one of 'file' and 'env', never the value itself")
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
        return self._read_file()

    def _read_file(self) -> str:
        assert self.file is not None  # noqa: S101 (the validator has seen to it)
        try:
            value = self.file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"cannot read the secret in {self.file}: {error}",
                hint="check that the file exists and that this user may read it",
            ) from error
        if not value:
            raise ConfigurationError(f"the secret file {self.file} is empty")
        return value
