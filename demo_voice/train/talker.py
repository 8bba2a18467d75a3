"""Talker and code predictor for training: batched, in the published layout (talker.* of model.safetensors).

The same networks as talker.py and code_predictor.py in qwen3_tts/export/stages/, which are written for export; see
codec_decoder.py.
Rows are [B, L, hidden]. Every row has a text id; NONE in place of a code adds nothing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_decoder import MLP, Config, RMSNorm, rotate

NONE = -1


class Attention(nn.Module):
    """Causal. One that is watched keeps what its first head compares: queries and keys [B, L, head_dim]."""

    is_watched = False
    watched: tuple[Tensor, Tensor]

    def __init__(self, config: Config):
        super().__init__()
        hidden, self.head_dim = config["hidden_size"], config["head_dim"]
        queries, keys = (config[f"num_{kind}_heads"] * self.head_dim for kind in ("attention", "key_value"))
        self.q_proj, self.k_proj = nn.Linear(hidden, queries, bias=False), nn.Linear(hidden, keys, bias=False)
        self.v_proj, self.o_proj = nn.Linear(hidden, keys, bias=False), nn.Linear(queries, hidden, bias=False)
        self.q_norm, self.k_norm = (RMSNorm(self.head_dim, config["rms_norm_eps"]) for _ in range(2))
        self.theta = config["rope_theta"]

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self._heads(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(self.q_norm(q), self.theta), rotate(self.k_norm(k), self.theta)
        if self.is_watched:
            self.watched = q[:, 0], k[:, 0]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class Layer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        hidden, eps = config["hidden_size"], config["rms_norm_eps"]
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(hidden, eps), RMSNorm(hidden, eps)
        self.self_attn, self.mlp = Attention(config), MLP(hidden, config["intermediate_size"])

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Stack(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.layers = nn.Sequential(*(Layer(config) for _ in range(config["num_hidden_layers"])))
        self.norm = RMSNorm(config["hidden_size"], config["rms_norm_eps"])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.layers(x))
        return y


class TextProjection(nn.Module):
    def __init__(self, text: int, hidden: int):
        super().__init__()
        self.linear_fc1, self.linear_fc2 = nn.Linear(text, text), nn.Linear(text, hidden)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear_fc2(F.silu(self.linear_fc1(x)))
        return y


class PredictorStack(Stack):
    def __init__(self, config: Config, talker_width: int):
        super().__init__(config)
        tables = (nn.Embedding(config["vocab_size"], talker_width) for _ in range(config["num_code_groups"] - 1))
        self.codec_embedding = nn.ModuleList(tables)


class CodePredictor(nn.Module):
    def __init__(self, config: Config, talker_width: int):
        super().__init__()
        hidden, codes = config["hidden_size"], config["vocab_size"]
        self.model = PredictorStack(config, talker_width)
        self.lm_head = nn.ModuleList(nn.Linear(hidden, codes, bias=False) for _ in range(config["num_code_groups"] - 1))
        if hidden != talker_width:
            self.small_to_mtp_projection = nn.Linear(talker_width, hidden)

    def embed(self, codes: Tensor) -> Tensor:
        """codes [..., groups - 1] of groups 1 on, NONE allowed -> [..., groups - 1, talker width]"""
        rows: list[Tensor] = []
        for group, table in enumerate(self.model.codec_embedding):
            rows.append(table(codes[..., group].clamp(min=0)))
        return torch.stack(rows, dim=-2) * (codes != NONE)[..., None]

    def forward(self, hidden: Tensor, first: Tensor, codes: Tensor) -> Tensor:
        """Logits [M, groups - 1, codes] of frames: hidden [M, H], code 0's row [M, H], codes [M, groups - 1]."""
        rows = torch.cat([hidden[:, None], first[:, None], self.embed(codes)[:, :-1]], dim=1)
        if hasattr(self, "small_to_mtp_projection"):
            rows = self.small_to_mtp_projection(rows)
        heads = torch.stack([head.weight for head in self.lm_head if isinstance(head, nn.Linear)])
        return torch.einsum("mgh,gvh->mgv", self.model(rows)[:, 1:], heads)


class TalkerStack(Stack):
    def __init__(self, config: Config):
        super().__init__(config)
        self.codec_embedding = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.text_embedding = nn.Embedding(config["text_vocab_size"], config["text_hidden_size"])


class Talker(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        hidden = config["hidden_size"]
        self.model = TalkerStack(config)
        self.text_projection = TextProjection(config["text_hidden_size"], hidden)
        self.codec_head = nn.Linear(hidden, config["vocab_size"], bias=False)
        self.code_predictor = CodePredictor(config["code_predictor_config"], hidden)
        self.apply(initialize)
        # As loud as all the codes of a frame together, or the words are lost in them.
        self.text_projection.linear_fc2.weight.data.mul_(config["num_code_groups"] ** 0.5)

    def forward(self, text: Tensor, first: Tensor, rest: Tensor) -> Tensor:
        """Hidden rows [B, L, H] after the last norm; the inputs are those of `rows`."""
        y: Tensor = self.model(self.rows(text, first, rest))
        return y

    def rows(self, text: Tensor, first: Tensor, rest: Tensor) -> Tensor:
        """What the first layer reads [B, L, H]: text ids [B, L], rows of the code table [B, L], codes 1 on
        [B, L, groups - 1]."""
        x = self.text_projection(self.model.text_embedding(text))
        x = x + self.code_row(first) * (first != NONE)[..., None]
        return x + self.code_predictor.embed(rest).sum(-2)

    def code_row(self, first: Tensor) -> Tensor:
        y: Tensor = self.model.codec_embedding(first.clamp(min=0))
        return y


def initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.1)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5 * 0.7)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
