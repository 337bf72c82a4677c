"""What is around the code: its shape, the documents, the examples, what a release holds."""
