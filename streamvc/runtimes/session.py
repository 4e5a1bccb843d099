"""ONNX Runtime sessions over graphs that this package wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamvc.errors import CheckpointError, RuntimeUnavailableError
from streamvc.runtimes.base import GRAPH_SCHEMA


def open_session(graph: Path, kind: str) -> tuple[Any, dict[str, Any]]:
    """A session on one thread, and what the exporter noted in the graph.

    `kind` is "step" or "speech".

    Raises:
        RuntimeUnavailableError: ONNX Runtime is not installed.
        CheckpointError: the file is missing, damaged, or another graph than that.
    """
    try:
        import onnxruntime
    except ImportError:
        raise RuntimeUnavailableError(
            "The onnx backend needs ONNX Runtime; run `pip install onnxruntime` or choose --backend torch."
        ) from None
    if not graph.is_file():
        raise CheckpointError(
            f"There is no ONNX graph at {graph}; export it with `python -m streamvc.runtimes.export`."
        )
    options = onnxruntime.SessionOptions()
    # One core is what is promised; spinning would burn the others between two frames.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no public base class
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{graph} cannot be loaded ({reason}); export it again.") from error
    try:
        meta: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map["streamvc"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{graph} is not a StreamVC graph; export it again.") from error
    if meta.get("schema") != GRAPH_SCHEMA:
        raise CheckpointError(f"{graph} was written by another version of streamvc; export it again.")
    if meta.get("kind") != kind:
        raise CheckpointError(f"{graph} is the graph of another part of the model, not of its {kind}; export it again.")
    return session, meta
