"""People rate answers blind: which pairs, who rated what, and the local page on which they do."""
