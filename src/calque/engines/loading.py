"""Models from a folder or the hub: found, checked, hashed, loaded. Safetensors only; no remote code unless asked for."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.engines.weights import AGAIN, check_weights
from calque.errors import ModelError, Problem
from calque.prompts.render import NO_CHAT_TEMPLATE

if TYPE_CHECKING:
    import torch


TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
UNLOADABLE = (
    OSError,
    ValueError,
    KeyError,
    RuntimeError,
    ImportError,
)  # what transformers raises for bad files


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's folder on this machine, the name it was asked for by, and whether its own code may run."""

    name: str
    folder: Path
    trust_remote_code: bool = False

    @property
    def label(self) -> str:
        """What the model is called in files: its hub id, or the name of its folder without the way there."""
        return self.folder.absolute().name if Path(self.name).expanduser().exists() else self.name


def find_model(name: str, *, revision: str | None = None, trust_remote_code: bool = False) -> ModelFiles:
    """The folder of a model: `name` is a folder, or a hub id that is fetched or found in the hub's cache."""
    folder = Path(name).expanduser()
    if not folder.exists():
        folder = _from_hub(name, revision)
    _check(name, folder)
    return ModelFiles(name, folder, trust_remote_code)


def _from_hub(name: str, revision: str | None) -> Path:
    remedy = "give the folder of a model, or the id of a model that the hub or its local cache holds"
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise ModelError(Problem("no such model folder", name, remedy=remedy))
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.py"]
    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"no such folder, and the hub does not give it ({reason})"
        raise ModelError(Problem(message, name, remedy=remedy)) from None


def _check(name: str, folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError(Problem("this is a file, not a model folder", name))
    if not (folder / "config.json").is_file():
        adapter = (folder / "adapter_config.json").is_file()
        remedy = (
            "this is an adapter: give its base model"
            if adapter
            else "a model folder holds config.json, *.safetensors and a tokenizer"
        )
        raise ModelError(Problem("this folder is no model: it has no config.json", name, remedy=remedy))
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(Problem(f"config.json cannot be read: {error}", name, remedy=AGAIN)) from None
    if not isinstance(config, dict):
        raise ModelError(Problem("config.json holds no settings by name", name, remedy=AGAIN))
    if not any(folder.glob("*.safetensors")):
        pickled = any(folder.glob("*.bin"))
        message = (
            "its weights are pickled (.bin), which can run code" if pickled else "it has no *.safetensors"
        )
        raise ModelError(Problem(message, name, remedy="convert the weights to safetensors"))
    check_weights(name, folder)


def model_sha256(files: ModelFiles) -> str:
    """Content address of a model: config, tokenizer and weights, whatever the folder is called."""
    total = hashlib.sha256()
    for path in sorted(content(files.folder)):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.name}\0{digest}\n".encode())
    return total.hexdigest()


def content(folder: Path) -> Iterator[Path]:
    """The files of a model folder that say what the model is."""
    for path in folder.iterdir():
        if path.suffix in (".json", ".safetensors", ".model", ".jinja", ".txt", ".py") and path.is_file():
            yield path


def require_tokenizer(files: ModelFiles, *, chat: bool = False) -> None:
    """Raise `ModelError` where its folder shows that a model has no tokenizer, or none with a `chat` template."""
    if not any((files.folder / name).is_file() for name in TOKENIZER_FILES):
        remedy = f"put one of {', '.join(TOKENIZER_FILES)} into the folder"
        raise ModelError(Problem("the model has no tokenizer", files.name, remedy=remedy))
    settings = files.folder / "tokenizer_config.json"
    named = settings.is_file() and b'"chat_template"' in settings.read_bytes()
    if chat and not (named or files.trust_remote_code or any(files.folder.glob("*chat_template*"))):
        raise ModelError(NO_CHAT_TEMPLATE)


def load_tokenizer(files: ModelFiles) -> Any:
    """The tokenizer of a model."""
    from transformers import AutoTokenizer

    _hush()
    require_tokenizer(files)
    try:
        return AutoTokenizer.from_pretrained(files.folder, trust_remote_code=files.trust_remote_code)
    except UNLOADABLE as error:
        raise ModelError(_loading_problem(files, "its tokenizer cannot be loaded", error)) from error


def load_config(files: ModelFiles) -> Any:
    """The configuration of a model, of its part for text where it has several."""
    from transformers import AutoConfig

    _hush()
    try:
        config = AutoConfig.from_pretrained(files.folder, trust_remote_code=files.trust_remote_code)
    except UNLOADABLE as error:
        raise ModelError(_loading_problem(files, "its config.json cannot be used", error)) from error
    return config.get_text_config()


def load_model(
    files: ModelFiles, *, dtype: torch.dtype, device: torch.device | str = "cpu", quantized: bool = False
) -> Any:
    """The causal language model, in evaluation mode, in `dtype` on `device`.

    `quantized`: its linear layers but the head in 4-bit NormalFloat, their scales quantized too, computing in `dtype`
    (Dettmers et al. 2023). Raises `ModelError` where the model does not load, or bitsandbytes is not here.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    _hush()
    options: dict[str, Any] = {}
    if quantized:
        options = {"quantization_config": _four_bit(dtype), "device_map": {"": str(device)}}
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            files.folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=files.trust_remote_code,
            output_loading_info=True,
            **options,
        )
    except (*UNLOADABLE, SafetensorError) as error:
        raise ModelError(_loading_problem(files, "the model cannot be loaded", error)) from error
    if missing := sorted(found["missing_keys"]):
        message = f"the weights are not whole: {len(missing)} tensors are missing, {missing[0]} for one"
        raise ModelError(Problem(message, files.name, remedy=AGAIN))
    if not quantized:
        return model.to(device).eval()
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # a product for answering that has no gradient
    return model.eval()


def _four_bit(dtype: torch.dtype) -> Any:
    """How weights are held in 4 bits. Raises `ModelError` without bitsandbytes."""
    from transformers import BitsAndBytesConfig

    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        message = "tuning.quantized needs the package bitsandbytes"
        remedy = 'pip install "calque[quantized]", or leave tuning.quantized out'
        raise ModelError(Problem(message, remedy=remedy)) from None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _hush() -> None:
    """Others' bars and remarks would run through ours; what matters of them are errors of ours."""
    from transformers.utils import logging as of_transformers

    of_transformers.disable_progress_bar()
    of_transformers.set_verbosity_error()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # which peft imports wherever it is installed
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def _loading_problem(files: ModelFiles, message: str, error: Exception) -> Problem:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    remedy = ""
    if "trust_remote_code" in str(error) and not files.trust_remote_code:
        remedy = "the model brings its own code: read it, then set model.trust_remote_code: true"
    return Problem(f"{message}: {reason}", files.name, remedy=remedy)
