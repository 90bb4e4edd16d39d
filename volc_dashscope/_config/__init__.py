"""Finds the model row, the base URL and the key of a client. The only package that reads `os.environ`."""

from __future__ import annotations

from volc_dashscope._config.addresses import Address, find_url, is_encrypted_or_local
from volc_dashscope._config.arguments import (
    CheckedConstructor,
    argument_docs,
    check_body,
    check_flags,
    check_limits,
    document_arguments,
    refuse_keys,
    refuse_positional,
    refuse_unknown_names,
)
from volc_dashscope._config.environment import (
    KEY_VARIABLE,
    find_certificates,
    find_proxy,
    key_log,
    proxy_variable,
)
from volc_dashscope._config.keys import find_key, has_key, key_fault, key_name, sealed
from volc_dashscope._config.model_names import find_model_info, find_rerank_model

__all__ = [
    "KEY_VARIABLE",
    "Address",
    "CheckedConstructor",
    "argument_docs",
    "check_body",
    "check_flags",
    "check_limits",
    "document_arguments",
    "find_certificates",
    "find_key",
    "find_model_info",
    "find_proxy",
    "find_rerank_model",
    "find_url",
    "has_key",
    "is_encrypted_or_local",
    "key_fault",
    "key_log",
    "key_name",
    "proxy_variable",
    "refuse_keys",
    "refuse_positional",
    "refuse_unknown_names",
    "sealed",
]
