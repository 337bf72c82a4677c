"""A small Proxmox VE of our own: a process that behaves as genuine ones were measured to."""
