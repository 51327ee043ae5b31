"""mmcli: compose probabilistic modules into models that learn from several senses at once."""

__version__ = "0.1.0"
