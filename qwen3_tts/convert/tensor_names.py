"""What the names, shapes and types of unfamiliar tensors say about where a snapshot comes from."""

from __future__ import annotations

from collections.abc import Collection

from qwen3_tts.convert.layout import FROM_ORIGIN, MERGE_ADAPTER, ORIGINAL, SnapshotError

ADAPTER_PARTS = (".lora_", ".base_layer.", ".lora_magnitude_vector.", ".modules_to_save.")
ADAPTER_PREFIX = "base_model."
WRAPPERS = {
    "module.": "DistributedDataParallel or DeepSpeed",
    "_orig_mod.": "torch.compile",
    "_fsdp_wrapped_module.": "FSDP",
}
QUANTIZED_DTYPES = {"F8_E4M3": "FP8", "F8_E5M2": "FP8", "I8": "int8", "U8": "packed", "I32": "packed", "U32": "packed"}


def check_names(names: Collection[str], where: str) -> None:
    """Raises SnapshotError when the tensors of a snapshot are those of a model with an adapter or a wrapper around it.

    where: the folder, for the message.
    """
    for name in names:
        if name.startswith(ADAPTER_PREFIX) or any(part in name for part in ADAPTER_PARTS):
            raise SnapshotError(f"{where}: tensor '{name}' is that of a model with a LoRA adapter; {MERGE_ADAPTER}")
        for prefix, wrapper in WRAPPERS.items():
            if name.startswith(prefix):
                raise SnapshotError(
                    f"{where}: tensor '{name}' is that of a model inside a wrapper ({wrapper}); save the model itself, "
                    f"or the tensors without '{prefix}'"
                )


def missing(name: str, names: Collection[str], where: str) -> SnapshotError:
    """The error for a tensor that is needed and not there."""
    if near := next((other for other in names if other.endswith(f".{name}")), None):
        return SnapshotError(f"{where}: tensor '{name}' is missing, but there is '{near}'; save it under its own name")
    return SnapshotError(f"{where}: tensor '{name}' is missing; {FROM_ORIGIN}")


def wrong_dtype(name: str, dtype: str, known: Collection[str], where: str) -> SnapshotError:
    """The error for a tensor whose numbers are no floating-point numbers of `known` types."""
    quantized = QUANTIZED_DTYPES.get(dtype)
    remedy = f"the weights are quantized ({quantized}); {ORIGINAL}" if quantized else "save it as one of these"
    return SnapshotError(f"{where}: tensor '{name}' is {dtype}, must be one of {', '.join(known)}; {remedy}")


def wrong_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...], where: str) -> SnapshotError:
    """The error for a tensor of another shape than follows from the configuration."""
    message = f"{where}: tensor '{name}' has shape {list(found)}, but {list(expected)} follows from the configuration"
    if len(found) > 2 and found != expected and sorted(found) == sorted(expected):
        message += f"; its axes are in the order of MLX: {ORIGINAL}"
    return SnapshotError(message)
