"""When bytes arrive: distributions, profiles, and delivery on a clock. Knows nothing of LLM formats."""
