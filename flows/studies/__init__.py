"""Studies: papers that compare methods over a sweep and bring no method of their own."""
