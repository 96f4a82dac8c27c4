"""Speed and memory of what a cell spends its time on; run ``whatwhere perf`` or ``make perf``."""
