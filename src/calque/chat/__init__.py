"""Talking to a model: a conversation with its history, the commands of its terminal, and the models to talk to."""
