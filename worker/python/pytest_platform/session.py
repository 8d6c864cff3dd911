"""What a session is: versions, plugins, arguments."""

import sys
from typing import Any, Dict

import pytest


def is_distributed(config: Any) -> bool:
    option = config.option
    return getattr(option, "dist", "no") != "no" and bool(getattr(option, "tx", None))


def session_facts(config: Any, distributed: bool) -> Dict[str, object]:
    plugins = []
    for _, distribution in config.pluginmanager.list_plugin_distinfo():
        name = f"{distribution.project_name}-{distribution.version}"
        name = name[len("pytest-") :] if name.startswith("pytest-") else name
        if name not in plugins:
            plugins.append(name)
    flags = sys.flags
    python_flags = [
        name
        for name, on in (("-O", flags.optimize == 1), ("-OO", flags.optimize > 1))
        + (("-I", flags.isolated), ("-X dev", flags.dev_mode), ("-E", flags.ignore_environment))
        if on
    ]
    return {
        "pytest": pytest.__version__,
        "plugins": plugins,
        "args": [str(arg) for arg in config.invocation_params.args],
        "rootdir": str(getattr(config, "rootpath", "")),
        "python_flags": python_flags,
        "distributed": distributed,
    }
