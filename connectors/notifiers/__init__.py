"""Those who tell others what happens."""

from connectors.notifiers.settings import HookSettings
from connectors.notifiers.webhooks import Webhooks

__all__ = ["HookSettings", "Webhooks"]
