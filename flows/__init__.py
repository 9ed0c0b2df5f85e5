"""What is run: one file a paper; a flow only wires tasks together."""
