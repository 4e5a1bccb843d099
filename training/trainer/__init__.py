"""One trainer for all stages: recipes, schedules, checkpoints, and what is seen of a run."""
