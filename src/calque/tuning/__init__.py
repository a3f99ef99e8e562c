"""Demonstrations to a tuned model: encode, batch, adapt, loop, checkpoint. Knows no paper and no benchmark."""
