"""What is worth learning from: filters that keep a text or drop it with a reason, and duplicates."""
