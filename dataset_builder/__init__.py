"""Image and mask datasets: prompts, sampling, refinement, noise learning, export."""
