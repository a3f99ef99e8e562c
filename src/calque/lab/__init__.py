"""The proving ground: a small world of known truth, written out as the same files as real data."""
