"""Who is evaluated: a checkpoint, a Hub model, a file of outputs, a served endpoint."""
