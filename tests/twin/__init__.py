"""The rootless twin beside BuildKit: same image, as an ordinary user."""
