"""Properties that hold for any plan and any history of commands."""
