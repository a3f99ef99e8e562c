"""Records to demonstrations: one module per view, and the mixture with exact counts."""
