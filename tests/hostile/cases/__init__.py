"""One file a case."""
