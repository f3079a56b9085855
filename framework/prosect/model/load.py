"""Loading models as a plan names them: hub ids, local folders, folders inside packages, random weights."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from prosect.errors import ModelError
from prosect.planning.model import PlannedModel
from prosect.spec.models import ModelSpec

# Weights no hidden state depends on; checkpoints often come without them. A head may depend on them.
OPTIONAL_WEIGHTS = ("pooler.",)


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model on its device, in evaluation mode.

    Attributes
    ----------
    module
        As loaded: with its head where the spec asks for it.
    base
        The headless model; paths of a description start here.
    tokenizer
        Its tokenizer, or None where there is none.
    config
        Its configuration as a mapping.
    dtype, device
        Of its weights.
    notes
        What a user should know, in full sentences; stored with the results.
    """

    module: nn.Module
    base: nn.Module
    tokenizer: Any | None
    config: Mapping[str, Any]
    dtype: torch.dtype
    device: torch.device
    notes: tuple[str, ...] = field(default=())

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether the model has two streams."""
        return bool(self.config.get("is_encoder_decoder"))

    def weights_digest(self) -> str:
        """SHA-256 of all weights by name, for a model that was not read from files."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def tokenizer_digest(self) -> str:
        """SHA-256 of what the tokenizer is made of; of nothing where there is none."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        text = "" if self.tokenizer is None else f"{self.tokenizer!r}{sorted(self.tokenizer.get_vocab().items())}"
        return hashlib.sha256(f"{text}{'' if backend is None else backend.to_str()}".encode()).hexdigest()


def pick_device(name: str) -> torch.device:
    """Resolve ``auto | cpu | cuda``; ModelError where cuda is asked for and there is none."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ModelError("compute.device is 'cuda', but torch sees no CUDA device; use 'auto' or 'cpu'")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def load_model(planned: PlannedModel, device: torch.device) -> LoadedModel:
    """Load a planned model.

    Raises
    ------
    ModelError
        When the files are not there, hold no safetensors and ``pickle`` is off, need remote code and
        ``trust_remote_code`` is off, or do not cover every weight of the model.
    """
    with calm_transformers():
        module, notes = _random(planned) if planned.spec.init == "random" else _trained(planned)
        tokenizer = load_tokenizer(planned)
    return wrap_module(module.to(device), tokenizer, notes=notes)


def wrap_module(module: nn.Module, tokenizer: Any | None, notes: tuple[str, ...] = ()) -> LoadedModel:  # noqa: ANN401 - any tokenizer of transformers
    """Take a model that is already in memory; it is put into evaluation mode."""
    module.eval()
    parameter = next(module.parameters())
    set_experts = getattr(module, "set_experts_implementation", None)
    if parameter.dtype == torch.float64 and callable(set_experts):
        # The faster product over all experts of a mixture does not take float64.
        set_experts("eager")
    base = getattr(module, "base_model", module)
    config = getattr(module, "config", None)
    if config is None:
        raise ModelError(f"{type(module).__name__} has no config: prosect takes models of transformers")
    if getattr(config, "attn_logit_softcapping", None) is not None and config._attn_implementation == "sdpa":
        # Releases of transformers that run such a model on SDPA leave the cap out and say nothing.
        module.set_attn_implementation("eager")  # type: ignore[operator]
        notes = (*notes, "eager attention: SDPA would leave out the soft-cap of the attention scores")
    return LoadedModel(
        module=module,
        base=base,
        tokenizer=tokenizer,
        config=config.to_dict(),
        dtype=parameter.dtype,
        device=parameter.device,
        notes=notes,
    )


def fetch(spec: ModelSpec) -> Path:
    """Bring a hub model's configuration into the local cache and return the folder of its snapshot."""
    from transformers.utils.hub import cached_file

    try:
        found = cached_file(str(spec.load), "config.json", revision=spec.revision)
    except OSError as error:
        raise ModelError(f"model {spec.load!r} cannot be fetched: {_first_line(error)}") from None
    return Path(str(found)).parent


def load_tokenizer(planned: PlannedModel) -> Any | None:  # noqa: ANN401 - any tokenizer of transformers
    """Load the tokenizer beside the weights, or the one the spec names; None where there is none."""
    from transformers import AutoTokenizer

    source, keywords = _source(planned)
    if planned.spec.tokenizer is not None:
        source = str(planned.tokenizer_location or planned.spec.tokenizer)
    if source is None or (Path(source).is_dir() and not _has_tokenizer(Path(source))):
        return None
    try:
        return AutoTokenizer.from_pretrained(source, **keywords)
    except (OSError, ValueError) as error:
        if planned.spec.tokenizer is None:
            return None
        raise ModelError(
            f"model {planned.name!r}: tokenizer {source!r} cannot be loaded: {_first_line(error)}"
        ) from None


def _has_tokenizer(folder: Path) -> bool:
    names = (
        "tokenizer.json",
        "vocab.txt",
        "vocab.json",
        "spiece.model",
        "source.spm",
        "sentencepiece.bpe.model",
        "tokenizer.model",
    )
    return any((folder / name).exists() for name in names)


def _trained(planned: PlannedModel) -> tuple[nn.Module, tuple[str, ...]]:
    spec = planned.spec
    source, keywords = _source(planned)
    config = _config(planned)
    try:
        module, report = _model_class(config, spec).from_pretrained(
            source,
            config=config,
            dtype=getattr(torch, spec.dtype),
            use_safetensors=None if spec.pickle else True,
            output_loading_info=True,
            **keywords,
        )
    except (OSError, ValueError) as error:
        hint = "" if spec.pickle else " (only safetensors are read unless the spec says 'pickle: true')"
        raise ModelError(f"model {planned.name!r} cannot be loaded from {source}: {_reason(error)}{hint}") from None
    optional = OPTIONAL_WEIGHTS if spec.head == "none" else ()
    missing = sorted(key for key in report["missing_keys"] if _is_trained(module, key, optional))
    if missing:
        raise ModelError(
            f"model {planned.name!r}: {source} lacks {len(missing)} weights of {type(module).__name__}, "
            f"for example {missing[0]!r}; they would be random. Use 'head: none' if the checkpoint has no such head"
        )
    return module, ()


def _is_trained(module: nn.Module, key: str, optional: Sequence[str]) -> bool:
    """Tell weights that what is read depends on from optional ones and from positions that are computed."""
    owner = module.get_submodule(key.rpartition(".")[0])
    computed = hasattr(owner, "create_weight") or hasattr(owner, "make_weights")
    return not computed and not any(part in key for part in optional)


def _random(planned: PlannedModel) -> tuple[nn.Module, tuple[str, ...]]:
    config, spec = _config(planned), planned.spec
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed)
        # Initialised in float32 and cast, so that one seed means the same weights in every dtype.
        module = _model_class(config, spec).from_config(config, dtype=torch.float32)
    note = f"The weights are random: initialised from the configuration with seed {spec.seed}."
    return module.to(getattr(torch, spec.dtype)), (note,)


def _model_class(config: Any, spec: ModelSpec) -> Any:  # noqa: ANN401 - transformers' auto classes are untyped
    import transformers

    if spec.head == "none":
        return transformers.AutoModel
    names = getattr(config, "architectures", None) or []
    found = getattr(transformers, names[0], None) if names else None
    if found is None:
        raise ModelError(
            "'head: own' needs 'architectures' in the model's config.json to name a class of transformers; "
            f"it says {names or 'nothing'}"
        )
    return _WithConfig(found)


@dataclass(frozen=True)
class _WithConfig:
    """A model class that answers to the names of an auto class."""

    cls: Any

    def from_pretrained(self, source: str, **keywords: Any) -> Any:  # noqa: ANN401 - transformers is untyped here
        return self.cls.from_pretrained(source, **keywords)

    def from_config(self, config: Any, **keywords: Any) -> Any:  # noqa: ANN401 - see above
        return self.cls._from_config(config, **keywords)


def _config(planned: PlannedModel) -> Any:  # noqa: ANN401 - transformers' configurations are untyped
    from transformers import AutoConfig

    source, keywords = _source(planned)
    changes = dict(planned.spec.config)
    try:
        if source is None:
            return AutoConfig.for_model(changes.pop("model_type"), **changes)
        return AutoConfig.from_pretrained(source, **keywords, **changes)
    except KeyError:
        raise ModelError(f"model {planned.name!r}: without 'load', 'config' must give 'model_type'") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"model {planned.name!r}: no configuration at {source}: {_reason(error)}") from None


def _source(planned: PlannedModel) -> tuple[str | None, dict[str, Any]]:
    """Return what ``from_pretrained`` is given, and the keywords which all its calls share."""
    keywords: dict[str, Any] = {"trust_remote_code": planned.spec.trust_remote_code}
    if planned.location is not None:
        return str(planned.location), keywords
    if planned.spec.revision is not None:
        keywords["revision"] = planned.spec.revision
    return planned.spec.load, keywords


@contextlib.contextmanager
def calm_transformers() -> Iterator[None]:
    """Keep transformers' progress bars and load reports off the terminal; what matters is checked and raised."""
    import transformers.utils.logging as untyped

    logging: Any = untyped
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _reason(error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return "it comes with code of its own; if you trust that code, say 'trust_remote_code: true'"
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
