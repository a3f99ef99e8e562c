"""calque: teach a language model that is strong in English to follow instructions in another language."""

__version__ = "0.1.0"
