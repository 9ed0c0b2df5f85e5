"""Papers that optimise a policy by policy gradients, one file each."""
