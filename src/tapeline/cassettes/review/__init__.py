"""What there is to say about recordings: why none matches, what changed, what they cost, their age."""
