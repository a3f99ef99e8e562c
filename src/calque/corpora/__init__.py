"""Files to records, and records to files: one module per format; rows that cannot be read go to quarantine."""
