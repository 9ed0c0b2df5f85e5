"""Loop 2 on pairs that are drawn from a policy while it is trained, and on recorded streams of such pairs."""
