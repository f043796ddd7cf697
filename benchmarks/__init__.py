"""Side by side with the peers, in one run: ratios with their spread, never a single absolute time."""
