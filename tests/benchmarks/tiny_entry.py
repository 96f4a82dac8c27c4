"""How a process is started that knows the tiny things; imports nothing."""

ENTRY = ("-c", "from tests.benchmarks.tiny import main; main()")
"""What Python runs instead of ``-m benchmarks``."""
