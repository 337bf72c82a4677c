"""What is told about a run once it is over."""

from api.reports.after_action import after_action

__all__ = ["after_action"]
