"""Claims put to the proof: recipes run over seeds, their answers held against the truth, one line a claim."""
