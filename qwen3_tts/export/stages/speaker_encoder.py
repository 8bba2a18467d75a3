"""The speaker encoder: samples to an x-vector (qwen-tts Qwen3TTSSpeakerEncoder, an ECAPA-TDNN, and its mel front end).

Rows are [T, C], one a mel frame of 256 samples. Modules are named like the reference's, which name their tensors.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen3_tts.export.stages.layers import to_rows, to_signal
from qwen3_tts.export.stages.mel import MelSpectrogram
from qwen3_tts.voice_config import SpeakerEncoderConfig

VARIANCE_FLOOR = 1e-12


def mirrored_rows(num_rows: int, padding: int) -> Tensor:
    """Rows of [num_rows, C] that make it `padding` longer at both ends, mirrored: the first and the last stand once."""
    rows = torch.arange(0, num_rows)
    return torch.cat([rows[1 : padding + 1].flip(0), rows, rows[-padding - 1 : -1].flip(0)])


class TDNN(nn.Module):
    """ReLU of a convolution as long as its input, which is mirrored at both ends."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, dilation: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, (1, kernel), dilation=(1, dilation))
        self.padding = (kernel - 1) * dilation // 2

    def forward(self, x: Tensor, mirrored: dict[int, Tensor]) -> Tensor:
        """x [T, C], mirrored[padding] as `mirrored_rows` makes it"""
        return F.relu(to_rows(self.conv(to_signal(x.index_select(0, mirrored[self.padding])))))


class PointwiseTDNN(nn.Module):
    """A TDNN of kernel 1."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


class Res2Net(nn.Module):
    """Channels in `scale` parts; each but the first is convolved after the result before it was added."""

    def __init__(self, channels: int, scale: int, kernel: int, dilation: int):
        super().__init__()
        width = channels // scale
        self.width = width
        self.blocks = nn.ModuleList(TDNN(width, width, kernel, dilation) for _ in range(scale - 1))

    def forward(self, x: Tensor, mirrored: dict[int, Tensor]) -> Tensor:
        first, *rest = x.split(self.width, dim=1)
        parts = [first]
        for block, part in zip(self.blocks, rest):
            parts.append(block(part if len(parts) == 1 else part + parts[-1], mirrored))
        return torch.cat(parts, dim=1)


class SqueezeExcitation(nn.Module):
    """Scales every channel by what the channels' means over time say."""

    def __init__(self, channels: int, squeeze_channels: int):
        super().__init__()
        self.conv1 = nn.Linear(channels, squeeze_channels)
        self.conv2 = nn.Linear(squeeze_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv2(F.relu(self.conv1(x.mean(0, keepdim=True)))))


class SERes2NetBlock(nn.Module):
    def __init__(self, config: SpeakerEncoderConfig, block: int):
        super().__init__()
        channels = config.channels[block]
        self.tdnn1 = PointwiseTDNN(config.channels[block - 1], channels)
        self.res2net_block = Res2Net(channels, config.res2net_scale, config.kernels[block], config.dilations[block])
        self.tdnn2 = PointwiseTDNN(channels, channels)
        self.se_block = SqueezeExcitation(channels, config.squeeze_channels)

    def forward(self, x: Tensor, mirrored: dict[int, Tensor]) -> Tensor:
        return x + self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(x), mirrored)))


def weighted_statistics(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [1, C] over time of x [T, C] with weights that sum to one."""
    mean = (weights * x).sum(0, keepdim=True)
    variance = (weights * (x - mean).pow(2)).sum(0, keepdim=True)
    return mean, variance.clamp(min=VARIANCE_FLOOR).sqrt()


class AttentiveStatisticsPooling(nn.Module):
    """[T, C] -> [1, 2 C]: mean and standard deviation, in which every channel chooses its own frames.

    The reference projects rows of [x, mean, std]; the last two are the same in every row and are projected once.
    """

    def __init__(self, channels: int, attention_channels: int):
        super().__init__()
        self.rows_proj = nn.Linear(channels, attention_channels)
        self.statistics_proj = nn.Linear(2 * channels, attention_channels, bias=False)
        self.conv = nn.Linear(attention_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(0, keepdim=True)
        std = (x - mean).pow(2).mean(0, keepdim=True).clamp(min=VARIANCE_FLOOR).sqrt()
        statistics = self.statistics_proj(torch.cat([mean, std], dim=1))
        weights = self.conv(torch.tanh(F.relu(self.rows_proj(x) + statistics))).softmax(0)
        return torch.cat(weighted_statistics(x, weights), dim=1)


class SpeakerEncoder(nn.Module):
    def __init__(self, config: SpeakerEncoderConfig):
        super().__init__()
        channels = config.channels
        self.mel = MelSpectrogram(config.sample_rate, config.mel_dim)
        self.blocks = nn.ModuleList([TDNN(config.mel_dim, channels[0], config.kernels[0], config.dilations[0])])
        self.blocks.extend(SERes2NetBlock(config, block) for block in range(1, len(channels) - 1))
        self.mfa = PointwiseTDNN(channels[-1], channels[-1])
        self.asp = AttentiveStatisticsPooling(channels[-1], config.attention_channels)
        self.fc = nn.Linear(2 * channels[-1], config.x_vector_size)

    def forward(self, blocks: Tensor, num_samples: Tensor) -> Tensor:
        """x-vector [H], not normalised, of blocks [T + 1, HOP] that hold `num_samples` [1] (int64) samples at 24 kHz.

        T, the number of mel rows, must be above every convolution's padding.
        """
        x, outputs = self.mel(blocks, num_samples), []
        paddings = {module.padding for module in self.modules() if isinstance(module, TDNN)}
        mirrored = {padding: mirrored_rows(x.shape[0], padding) for padding in paddings}
        for block in self.blocks:
            x = block(x, mirrored)
            outputs.append(x)
        return self.fc(self.asp(self.mfa(torch.cat(outputs[1:], dim=1))))[0]
