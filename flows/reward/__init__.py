"""Papers on reward models, one file each."""
