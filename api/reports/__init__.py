"""What is told about a run once it is over."""

from api.reports.after_action import after_action
from api.reports.table import steps_csv

__all__ = ["after_action", "steps_csv"]
