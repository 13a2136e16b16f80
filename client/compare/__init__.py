"""Compare the served models: how fast, how stable, how well they agree, and which one to take."""
