"""What is run: one file a paper; a flow only wires tasks together."""

from tasks.engine.home import prepare_environment

prepare_environment()
