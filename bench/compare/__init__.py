"""CIR beside what people would use instead: measured phase by phase, raw samples become a report."""
