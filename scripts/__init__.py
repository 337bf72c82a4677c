"""What builds and proves the parts of a release; not part of the product."""
