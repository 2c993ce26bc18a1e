"""Exit 0 if the service answers; needs the platform layer as the service does."""

import os
import sys
import urllib.request

import fastapi  # a health check may use the dependencies, too

port = os.environ.get("PORT", "8000")
with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=3) as answer:
    sys.exit(0 if answer.status == 200 and fastapi.__version__ else 1)
