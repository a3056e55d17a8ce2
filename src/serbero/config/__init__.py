"""The configuration: ``config.toml`` and the environment, checked, as one frozen value."""

from serbero.config.loader import config_path, load, loads
from serbero.config.problems import ConfigError, Problem
from serbero.config.settings import Config, Loaded

__all__ = ["Config", "ConfigError", "Loaded", "Problem", "config_path", "load", "loads"]
