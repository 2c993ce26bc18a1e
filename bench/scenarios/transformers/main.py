"""A BERT encoder from a configuration, with weights from a seed: sentences become vectors, on the processor."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is to be fetched, so nothing may be

import torch
from transformers import BertConfig, BertModel

WORDS, WIDTH, LONGEST = 1000, 128, 64


def encoder() -> BertModel:
    """The same model every time."""
    torch.manual_seed(0)
    shape = {"hidden_size": WIDTH, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}
    return BertModel(BertConfig(vocab_size=WORDS, max_position_embeddings=LONGEST, **shape)).eval()


def encode(model: BertModel, sentences: list[list[int]], length: int = LONGEST) -> torch.Tensor:
    """One vector a sentence, the mean over its words; shorter ones are padded to ``length``."""
    words = torch.zeros(len(sentences), length, dtype=torch.long)
    mask = torch.zeros(len(sentences), length, dtype=torch.long)
    for row, sentence in enumerate(sentences):
        words[row, : len(sentence)] = torch.tensor(sentence)
        mask[row, : len(sentence)] = 1
    with torch.inference_mode():
        hidden = model(input_ids=words, attention_mask=mask).last_hidden_state
    kept = mask.unsqueeze(-1)
    return (hidden * kept).sum(dim=1) / kept.sum(dim=1)


if __name__ == "__main__":
    print(encode(encoder(), [[5, 6, 7]])[0, :4].tolist(), flush=True)
