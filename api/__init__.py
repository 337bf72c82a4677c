"""The faces of drorch: command line, REST, pages. Wires everything together."""
