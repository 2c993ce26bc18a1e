"""From a Cirfile to a running container, beside the stock frontend: build, size, warm and cold start, memory."""
