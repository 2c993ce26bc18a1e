"""A service with state: counts words it is sent."""

import collections
import os

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
words: collections.Counter[str] = collections.Counter()


class Text(BaseModel):
    text: str


@app.get("/health")
def health() -> dict[str, object]:
    return {"status": "ok", "uid": os.getuid(), "pid": os.getpid()}


@app.post("/count")
def count(body: Text) -> dict[str, int]:
    words.update(body.text.split())
    return dict(words)


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=int(os.environ.get("PORT", "8000")), log_level="warning")
