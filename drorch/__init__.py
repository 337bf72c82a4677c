"""The core of drorch: what recovery means. Knows no HTTP, no YAML and no hypervisor."""
