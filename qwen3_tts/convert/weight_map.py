"""Which tensors of a published snapshot become which tensors of a checkpoint folder.

The map is a table of rows: target name, sources with the shapes they must have, and a transform. The functions here
make the rows of one model out of its configuration; convert_weights.py checks them against the snapshot and carries
them out. A source tensor that no row uses must stand in `not_needed`, which says why.

Source names are those of qwen-tts 0.1.1; tensors of the codec have the prefix "speech_tokenizer/" (the folder they
lie in). Target names are module paths of this project. Weights are [out, in, kernel], transposed convolutions of the
source [in, out, kernel]; every convolution of a target is an ordinary one with a kernel height of 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from qwen3_tts.config import CodecConfig, ModelConfig, TransformerConfig

CODEC_DECODER = "speech_tokenizer/decoder."
SNAKE_EPS = 1e-9  # qwen-tts SnakeBeta.no_div_by_zero
MIN_USAGE = 1e-5  # qwen-tts EuclideanCodebook.epsilon
UNITS_PER_BLOCK = 3


@dataclass(frozen=True)
class Source:
    """A tensor of the snapshot and the shape it must have."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """A tensor of the checkpoint: `transform` of the sources' values, which share one floating dtype."""

    target: str
    sources: tuple[Source, ...]
    transform: Callable[..., Tensor]

    @property
    def shape(self) -> tuple[int, ...]:
        """The target's shape, found by transforming tensors that have shapes only."""
        return tuple(self.transform(*(torch.empty(source.shape, device="meta") for source in self.sources)).shape)


@dataclass(frozen=True)
class TargetFile:
    """A safetensors file of the checkpoint folder."""

    name: str
    rows: tuple[Row, ...]
    dtype: str | None  # of all its tensors; None: each keeps its source's


# Transforms


def copy(tensor: Tensor) -> Tensor:
    return tensor


def stack_rows(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors)


def scale_rows(tensor: Tensor, scale: Tensor) -> Tensor:
    """Row i of a weight, or entry i of a bias, times scale[i]."""
    return tensor * scale.view(-1, *[1] * (tensor.dim() - 1))


def phases(rate: int) -> Callable[[Tensor], Tensor]:
    """A transposed convolution by `rate` as an ordinary one whose outputs are the `rate` steps of each input, in turn.

    [in, out, n * rate] -> [rate * out, in, n]: output step `phase` sees the newest input through tap `phase`, the
    one before it through tap `rate + phase`, and so on.
    """

    def transform(weight: Tensor) -> Tensor:
        in_size, out_size, kernel = weight.shape
        taps = weight.reshape(in_size, out_size, kernel // rate, rate).flip(2)  # the oldest input first
        return taps.permute(3, 1, 0, 2).reshape(rate * out_size, in_size, kernel // rate)

    return transform


def repeat(times: int) -> Callable[[Tensor], Tensor]:
    return lambda tensor: tensor.repeat(times)


def drop_kernel(tensor: Tensor) -> Tensor:
    """[out, in, 1] -> [out, in]: a convolution with kernel 1 is a linear layer."""
    return tensor.squeeze(2)


def snake_weight(alpha: Tensor, beta: Tensor) -> Tensor:
    """Logarithms [C] -> [2, C]: alpha, 1 / beta."""
    return torch.stack([torch.exp(alpha), 1.0 / (torch.exp(beta) + SNAKE_EPS)])


def centroids(*books: Tensor) -> Tensor:
    """Sums [rows, size] and use counts [rows] of each level in turn -> centroids [levels * rows, size]."""
    return torch.cat([total / usage.clamp(min=MIN_USAGE)[:, None] for total, usage in zip(books[::2], books[1::2])])


# Rows that occur in several places


def plain(target: str, source: str, *shape: int) -> Row:
    return Row(target, (Source(source, shape),), copy)


def linear(target: str, source: str, out_size: int, in_size: int) -> Iterator[Row]:
    """Weight and bias."""
    yield plain(f"{target}.weight", f"{source}.weight", out_size, in_size)
    yield plain(f"{target}.bias", f"{source}.bias", out_size)


def conv(target: str, source: str, *shape: int, bias: int) -> Iterator[Row]:
    """Weight of shape [.., .., kernel] and bias of size `bias`."""
    yield plain(f"{target}.weight", f"{source}.weight", *shape)
    yield plain(f"{target}.bias", f"{source}.bias", bias)


def transposed_conv(target: str, source: str, in_size: int, out_size: int, kernel: int, *, rate: int) -> Iterator[Row]:
    """Weight and bias of an upsampling by `rate`."""
    yield Row(f"{target}.weight", (Source(f"{source}.weight", (in_size, out_size, kernel)),), phases(rate))
    yield Row(f"{target}.bias", (Source(f"{source}.bias", (out_size,)),), repeat(rate))


def snake(target: str, source: str, channels: int) -> Iterator[Row]:
    sources = tuple(Source(f"{source}.{name}", (channels,)) for name in ("alpha", "beta"))
    yield Row(f"{target}.weight", sources, snake_weight)


def decoder_layers(target: str, source: str, config: TransformerConfig, *, in_codec: bool) -> Iterator[Row]:
    """A stack of decoder layers and its final norm.

    The language models' layers have norms on queries and keys; the codec's have layer scales instead, which are
    folded into the projections they follow.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    for i in range(config.num_layers):
        t, s = f"{target}.layers.{i}", f"{source}.layers.{i}"
        qkv = [
            Source(f"{s}.self_attn.{n}_proj.weight", (size, hidden)) for n, size in zip("qkv", (queries, keys, keys))
        ]
        gate_up = [Source(f"{s}.mlp.{n}_proj.weight", (inner, hidden)) for n in ("gate", "up")]
        o_proj = Source(f"{s}.self_attn.o_proj.weight", (hidden, queries))
        down_proj = Source(f"{s}.mlp.down_proj.weight", (hidden, inner))
        yield plain(f"{t}.attention.norm.weight", f"{s}.input_layernorm.weight", hidden)
        yield Row(f"{t}.attention.qkv_proj.weight", tuple(qkv), stack_rows)
        if in_codec:
            scale = Source(f"{s}.self_attn_layer_scale.scale", (hidden,))
            yield Row(f"{t}.attention.o_proj.weight", (o_proj, scale), scale_rows)
        else:
            yield plain(f"{t}.attention.q_norm", f"{s}.self_attn.q_norm.weight", config.head_dim)
            yield plain(f"{t}.attention.k_norm", f"{s}.self_attn.k_norm.weight", config.head_dim)
            yield Row(f"{t}.attention.o_proj.weight", (o_proj,), copy)
        yield plain(f"{t}.mlp.norm.weight", f"{s}.post_attention_layernorm.weight", hidden)
        yield Row(f"{t}.mlp.gate_up_proj.weight", tuple(gate_up), stack_rows)
        if in_codec:
            scale = Source(f"{s}.mlp_layer_scale.scale", (hidden,))
            yield Row(f"{t}.mlp.down_proj.weight", (down_proj, scale), scale_rows)
        else:
            yield Row(f"{t}.mlp.down_proj.weight", (down_proj,), copy)
    yield plain(f"{target}.norm.weight", f"{source}.norm.weight", hidden)


# The checkpoint's files


def language_model_rows(config: ModelConfig) -> Iterator[Row]:
    """model.safetensors: text and code embeddings, talker, code predictor."""
    hidden, text = config.talker.hidden_size, config.text_hidden_size
    inner = config.code_predictor.hidden_size
    predictor = "talker.code_predictor"
    groups = range(config.num_code_groups - 1)
    embedding = "talker.model.text_embedding.weight"
    yield plain("text_embedding.embedding.weight", embedding, config.text_vocab_size, text)
    yield from linear("text_embedding.fc1", "talker.text_projection.linear_fc1", text, text)
    yield from linear("text_embedding.fc2", "talker.text_projection.linear_fc2", hidden, text)
    tables = [Source("talker.model.codec_embedding.weight", (config.talker_vocab_size, hidden))]
    for g in groups:
        tables.append(Source(f"{predictor}.model.codec_embedding.{g}.weight", (config.code_vocab_size, hidden)))
    yield Row("codec_embedding.weight", tuple(tables), stack_rows)
    yield from decoder_layers("talker", "talker.model", config.talker, in_codec=False)
    yield plain("talker.head.weight", "talker.codec_head.weight", config.talker_vocab_size, hidden)
    if config.has_projection:
        yield from linear("code_predictor.projection", f"{predictor}.small_to_mtp_projection", inner, hidden)
    yield from decoder_layers("code_predictor", f"{predictor}.model", config.code_predictor, in_codec=False)
    for g in groups:
        yield plain(
            f"code_predictor.heads.{g}.weight", f"{predictor}.lm_head.{g}.weight", config.code_vocab_size, inner
        )


def quantizer_rows(config: CodecConfig) -> Iterator[Row]:
    size = config.codebook_dim // 2
    levels = [("rvq_first", 0)] + [("rvq_rest", level) for level in range(config.num_code_groups - 1)]
    books = []
    for part, level in levels:
        book = f"{CODEC_DECODER}quantizer.{part}.vq.layers.{level}._codebook"
        books.append(Source(f"{book}.embedding_sum", (config.codebook_size, size)))
        books.append(Source(f"{book}.cluster_usage", (config.codebook_size,)))
    yield Row("codebooks.weight", tuple(books), centroids)
    for target, part in (("first_proj", "rvq_first"), ("rest_proj", "rvq_rest")):
        source = Source(f"{CODEC_DECODER}quantizer.{part}.output_proj.weight", (config.codebook_dim, size, 1))
        yield Row(f"{target}.weight", (source,), drop_kernel)


def upsample_rows(target: str, source: str, latent: int, factor: int) -> Iterator[Row]:
    """A transposed convolution and a ConvNeXt block, whose layer scale is folded into its last projection."""
    block = f"{source}.1"
    yield from transposed_conv(f"{target}.conv", f"{source}.0.conv", latent, latent, factor, rate=factor)
    yield from conv(f"{target}.dwconv", f"{block}.dwconv.conv", latent, 1, 7, bias=latent)
    yield plain(f"{target}.norm.weight", f"{block}.norm.weight", latent)
    yield plain(f"{target}.norm.bias", f"{block}.norm.bias", latent)
    yield from linear(f"{target}.pwconv1", f"{block}.pwconv1", 4 * latent, latent)
    gamma = Source(f"{block}.gamma", (latent,))
    weight = Source(f"{block}.pwconv2.weight", (latent, 4 * latent))
    yield Row(f"{target}.pwconv2.weight", (weight, gamma), scale_rows)
    yield Row(f"{target}.pwconv2.bias", (Source(f"{block}.pwconv2.bias", (latent,)), gamma), scale_rows)


def block_rows(target: str, source: str, in_size: int, out_size: int, rate: int) -> Iterator[Row]:
    """Snake, a transposed convolution by `rate` and the residual units."""
    yield from snake(f"{target}.snake", f"{source}.0", in_size)
    yield from transposed_conv(f"{target}.upsample", f"{source}.1.conv", in_size, out_size, 2 * rate, rate=rate)
    for u in range(UNITS_PER_BLOCK):
        t, s = f"{target}.units.{u}", f"{source}.{2 + u}"
        yield from snake(f"{t}.snake1", f"{s}.act1", out_size)
        yield from conv(f"{t}.conv1", f"{s}.conv1.conv", out_size, out_size, 7, bias=out_size)
        yield from snake(f"{t}.snake2", f"{s}.act2", out_size)
        yield from conv(f"{t}.conv2", f"{s}.conv2.conv", out_size, out_size, 1, bias=out_size)


def codec_decoder_rows(config: CodecConfig) -> Iterator[Row]:
    """codec_decoder.safetensors."""
    latent, hidden = config.latent_dim, config.transformer.hidden_size
    yield from quantizer_rows(config)
    yield from conv("pre_conv", f"{CODEC_DECODER}pre_conv.conv", latent, config.codebook_dim, 3, bias=latent)
    transformer = f"{CODEC_DECODER}pre_transformer"
    yield from linear("transformer.input_proj", f"{transformer}.input_proj", hidden, latent)
    yield from decoder_layers("transformer", transformer, config.transformer, in_codec=True)
    yield from linear("transformer.output_proj", f"{transformer}.output_proj", latent, hidden)
    for k, factor in enumerate(config.upsampling_ratios):
        yield from upsample_rows(f"upsample.{k}", f"{CODEC_DECODER}upsample.{k}", latent, factor)
    stages = f"{CODEC_DECODER}decoder"
    width = config.decoder_dim
    yield from conv("conv_in", f"{stages}.0.conv", width, latent, 7, bias=width)
    for b, rate in enumerate(config.upsample_rates):
        yield from block_rows(f"blocks.{b}", f"{stages}.{b + 1}.block", width, width // 2, rate)
        width //= 2
    last = len(config.upsample_rates) + 1
    yield from snake("snake_out", f"{stages}.{last}", width)
    yield from conv("conv_out", f"{stages}.{last + 1}.conv", 1, width, 7, bias=1)
