"""Controls: what a method has to beat before its number means anything."""
