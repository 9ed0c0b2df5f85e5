"""How it is done: one folder a stage; each exposes Prefect tasks over plain functions."""
