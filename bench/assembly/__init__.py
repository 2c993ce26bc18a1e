"""Assembly of a platform layer against uv: see `README.md` beside this file."""
