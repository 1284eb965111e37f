"""What must never reach a cassette: what is secret, how it is taken out, and what refuses a file."""
