"""Whether what is trained on holds what is measured: in the same words, in nearly the same, or in translation."""
