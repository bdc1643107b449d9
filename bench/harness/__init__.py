"""What the benchmarks share: the command line, the report, and what is measured with."""
