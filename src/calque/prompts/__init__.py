"""Every text that a model is shown, as data files per language, and the one renderer for training and inference."""
