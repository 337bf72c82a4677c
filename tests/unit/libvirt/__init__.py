"""The libvirt connector's parts that need no libvirt."""
