"""Call-outs: commands and web hooks that the configuration defines and plans call by name."""

from connectors.callouts.configured import CalloutSettings, ConfiguredCallouts

__all__ = ["CalloutSettings", "ConfiguredCallouts"]
