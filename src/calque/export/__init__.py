"""What leaves a run: a tuned model in the hub's form, and the demonstrations it learnt from, each with its card."""
